"""The Pareto set against its definition, and the fronts of a search."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scaler.pareto import pareto_set
from scaler.results.frontier import TRAINED, TRIALS, FrontierInfo
from scaler.results.ledger import Record
from scaler.results.score import Metrics, Score
from tests.scaler.results.records import changed

# Few distinct values, so that ties in cost, in score and in both are common.
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)

SCORE = Score(metrics=Metrics(top1=50.0, top5=90.0, loss=1.0, images=100), split="holdout", epochs=1, seconds=1.0)
RECORD = Record(
    role="trial", trial=0, budget="flops=10M", name="t0", family="f", flops=10, params=100, resolution=32, score=SCORE, seed=0,
    recipe="proxy", data="digits", arch="{}",
)  # fmt: skip


def dominated(point: tuple[int, int], points: list[tuple[int, int]]) -> bool:
    return any(c <= point[0] and s >= point[1] and (c, s) != point for c, s in points)


@given(POINTS)
def test_pareto_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    costs, scores = [c for c, _ in points], [s for _, s in points]
    assert pareto_set(costs, scores).tolist() == [not dominated(point, points) for point in points]


@given(POINTS, st.randoms(use_true_random=False))
def test_pareto_does_not_depend_on_the_order(points: list[tuple[int, int]], random) -> None:
    shuffled = random.sample(range(len(points)), len(points))
    mask = pareto_set([c for c, _ in points], [s for _, s in points])
    moved = pareto_set([points[i][0] for i in shuffled], [points[i][1] for i in shuffled])
    assert moved.tolist() == mask[shuffled].tolist()


def test_equal_points_both_stay_and_a_dominated_tie_goes() -> None:
    assert pareto_set([1, 1, 1, 2, 2], [5, 5, 4, 5, 6]).tolist() == [True, True, False, False, True]


def test_a_score_that_is_no_number_is_never_on_the_front() -> None:
    assert pareto_set([1, 2, 3], [np.nan, 5, np.nan]).tolist() == [False, True, False]


def test_pareto_of_nothing_is_empty() -> None:
    assert pareto_set([], []).shape == (0,)


def test_each_kind_of_score_has_its_own_front() -> None:
    trials = [changed(RECORD, name=f"t{i}", flops=f, top1=s) for i, (f, s) in enumerate([(10, 50), (20, 40), (5, 30)])]
    trained = [changed(RECORD, role="seed", name="seed", flops=99, top1=99), changed(RECORD, role="chosen", name="c", top1=90)]
    info = FrontierInfo(records=(*trials, *trained))
    assert [record.name for record in info.front("flops", TRIALS)] == ["t2", "t0"]
    assert [record.name for record in info.front("flops", TRAINED)] == ["c", "seed"]
    assert info.on_front("flops") == (True, False, True, True, True)
    # All have the same parameters, so the best of each kind alone stays.
    assert info.on_front("params") == (True, False, False, True, False)


def test_it_loads_no_heavy_library() -> None:
    code = "import sys, scaler.results.frontier; print({'torch', 'timm', 'pandas', 'optuna', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
