"""Optimum and frontier of additive scores against brute force, on spaces small enough to list."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.budget import Bound, Budget
from scaler.cost.architecture import Architecture
from scaler.errors import InfeasibleError, ScalerError
from scaler.space import additive_optimum
from scaler.space.additive_optimum import exact_frontier, exact_optimum, score_shapes, undominated
from scaler.space.feasible_set import FeasibleSet
from scaler.space.meet_in_the_middle import Halves
from scaler.space.partial_architectures import Rows
from scaler.space.search_space import SearchSpace
from scaler.space.wavelet_matrix import RangeMax
from tests.scaler.space.test_feasible_set import brute_force, problems
from tests.scaler.toy import toy_space

seeds = st.integers(0, 1000)


def random_scores(space: SearchSpace, seed: int, whole: bool) -> list[Any]:
    """A table per segment; ``whole`` numbers make ties."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 4, shape).astype(float) if whole else rng.normal(size=shape) for shape in score_shapes(space)]


def score_of(space: SearchSpace, scores: list[Any], arch: Architecture) -> float:
    digits = dict(zip(space.variables, space.point(arch), strict=True))
    tables = zip(space.segments, scores, strict=True)
    return float(sum(table[tuple(digits[name] for name in space.read_by(segment))] for segment, table in tables))


@settings(max_examples=150, deadline=None)
@given(problems(), seeds, st.booleans(), st.sampled_from([1, 50, 1 << 16]))
def test_the_optimum_is_that_of_brute_force(problem: tuple[SearchSpace, Budget], seed: int, whole: bool, pairs: int) -> None:
    space, budget = problem
    scores = random_scores(space, seed, whole)
    expected = [score_of(space, scores, arch) for arch in brute_force(space, budget)]
    feasible = FeasibleSet(space, budget)
    if not expected:
        with pytest.raises(InfeasibleError):
            exact_optimum(feasible, scores)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(additive_optimum, "_PAIRS", pairs)
        arch, score = exact_optimum(feasible, scores)
    assert arch in feasible
    assert score == pytest.approx(score_of(space, scores, arch))
    assert score == pytest.approx(max(expected))


@settings(max_examples=150, deadline=None)
@given(problems(), seeds, st.booleans(), st.sampled_from([1, 50, 1 << 16]))
def test_the_frontier_is_that_of_brute_force(problem: tuple[SearchSpace, Budget], seed: int, whole: bool, pairs: int) -> None:
    space, budget = problem[0], Budget(tuple((key, Bound(0, bound.high)) for key, bound in problem[1].bounds), "upper bounds")
    scores = random_scores(space, seed, whole)
    listed = sorted((space.cost(a).flops, -score_of(space, scores, a)) for a in brute_force(space, budget))
    expected: list[tuple[int, float]] = []
    for flops, negated in listed:
        if not expected or -negated > expected[-1][1] + 1e-9:
            expected.append((flops, -negated))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(additive_optimum, "_PAIRS", pairs)
        found = exact_frontier(FeasibleSet(space, budget), scores)
    assert [space.cost(arch).flops for arch, _ in found] == [flops for flops, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected])
    assert all(budget.admits(space.quantities(arch)) for arch, _ in found)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40), st.integers(1, 6), seeds)
def test_undominated_rows_are_those_of_a_plain_double_loop(n: int, top: int, seed: int) -> None:
    code, flops, params, score = np.random.default_rng(seed).integers(0, top, (4, n))
    rows = Rows({}, code // 2, flops, params, score=score.astype(float))
    kept = undominated(rows).tolist()
    values = list(zip((code // 2).tolist(), flops.tolist(), params.tolist(), (-score).tolist(), strict=True))

    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return one[0] == other[0] and one != other and all(a <= b for a, b in zip(one, other, strict=True))

    expected = {value for value in values if not any(beats(other, value) for other in values)}
    assert sorted(values[i] for i in kept) == sorted(expected)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40), seeds)
def test_the_greatest_in_any_range(values: list[float], seed: int) -> None:
    ends = np.sort(np.random.default_rng(seed).integers(0, len(values) + 1, (20, 2)), axis=1)
    start, stop = ends[ends[:, 0] < ends[:, 1]].T
    found = RangeMax(np.array(values), len(values))(start, stop)
    assert found.tolist() == [max(values[a:b]) for a, b in zip(start, stop, strict=True)]


def test_thirty_repeated_layers_have_their_optimum_without_a_list_of_them() -> None:
    """3^30 points; a kind's score is its number, and parameters leave room for ten steps above the least."""
    layers = 30
    space = toy_space({"widths": [[3]] * layers, "kinds": [[1, 2, 3]] * layers})
    scores = [np.arange(1.0, 4.0).reshape(shape) for shape in score_shapes(space)]
    feasible = FeasibleSet(space, Budget((("params", Bound(0, 4 * layers + 10)),)))
    assert len(Halves.of(space, additive_optimum._scored(FeasibleSet(space, Budget()), scores)).left) < 1000
    arch, score = exact_optimum(feasible, scores)
    assert arch in feasible
    assert score == layers + 10
    assert [score for _, score in exact_frontier(feasible, scores)] == [layers + extra for extra in range(11)]


def test_scores_of_other_shapes_and_lower_bounds_are_refused() -> None:
    space = toy_space({"widths": [[1, 2]], "kinds": [[1, 2, 3]]})
    with pytest.raises(ScalerError, match=r"need \[\(2, 3\)\]"):
        exact_optimum(FeasibleSet(space, Budget()), [np.zeros(6)])
    banded = FeasibleSet(space, Budget((("flops", Bound(1, 9)),), "flops=1..9"))
    with pytest.raises(ScalerError, match=r"not flops=1\.\.9: drop the lower"):
        exact_frontier(banded, [np.zeros((2, 3))])
