"""The additive law: its tables, its proposals against brute force, and what it finds."""

from collections.abc import Sequence
from math import log

import numpy as np
import optuna
import pytest

from scaler.arrays import Floats
from scaler.cost.architecture import Architecture
from scaler.space.additive_optimum import exact_optimum
from scaler.space.feasible_set import FeasibleSet
from scaler.trials import additive_law
from scaler.trials.additive_law import Law
from scaler.trials.attributes import NOTES
from scaler.trials.sampler import FeasibleSampler
from scaler.trials.strategies import strategy
from search_spaces.problem import spaces

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE, SETS = spaces("tiny_vit_1m_32", ["flops=1.8M..2M", "flops=4M,params=300k"])


def accuracy(arch: Architecture) -> float:
    """Rises with width and resolution, falls with depth, and has an interaction."""
    values = arch.values()
    return 10 * log(values["resolution"]) + 4 * log(values["embed_dims[2]"]) * log(values["resolution"]) - values["depths[1]"]


def searched(sets: Sequence[FeasibleSet], trials: int, name: str = "law") -> optuna.Study:
    study = optuna.create_study(sampler=FeasibleSampler(SPACE, sets, strategy(name, trials), 0), direction="maximize")
    study.optimize(lambda trial: accuracy(suggested(trial)), n_trials=trials)
    return study


def suggested(trial: optuna.Trial) -> Architecture:
    return SPACE.arch_of({name: trial.suggest_categorical(name, choices) for name, choices in SPACE.variables.items()})


@pytest.mark.parametrize("fixed", [{}, {"resolution": 32, "depths[2]": 2}])
def test_the_tables_optimum_is_the_best_of_all_members_under_the_law(fixed: dict[str, int]) -> None:
    law, rng = Law(SPACE), np.random.default_rng(0)
    feasible = SETS[0].having(fixed) if fixed else SETS[0]
    coefficients = rng.normal(size=law(np.zeros((1, len(SPACE.variables)), np.int64)).shape[1])
    arch, score = exact_optimum(feasible, law.tables(coefficients, feasible))
    members = [SPACE.point(feasible.space.arch(point)) for point in feasible.sample_points(1000, rng)]
    assert float((law(np.array([SPACE.point(arch)])) @ coefficients)[0]) == pytest.approx(score)
    assert float((law(np.array(members)) @ coefficients).max()) <= score + 1e-9


@pytest.mark.slow
def test_it_finds_the_best_of_a_feasible_set_of_millions_in_thirty_trials() -> None:
    best = max(trial.value or 0.0 for trial in searched(SETS[:1], 30).trials)
    drawn = [accuracy(SPACE.arch(point)) for point in SETS[0].sample_points(4_000, np.random.default_rng(0))]
    assert best >= max(drawn)


def test_every_proposal_is_feasible_and_new() -> None:
    trials = searched(SETS, 30).trials
    archs = [SPACE.arch_of(trial.params) for trial in trials]
    assert all(arch in SETS[trial.user_attrs[NOTES]["budget"]] for arch, trial in zip(archs, trials, strict=True))
    assert len(set(archs)) == 30
    assert {trial.user_attrs[NOTES]["origin"] for trial in trials} == {"random", "law"}


def test_a_law_whose_optimum_was_tried_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    study, tried = searched(SETS[:1], 12), []
    first = SPACE.arch_of(study.trials[0].params)

    def optimum(feasible: FeasibleSet, scores: Sequence[Floats]) -> tuple[Architecture, float]:
        tried.append(scores)
        return (first, 0.0) if len(tried) == 1 else exact_optimum(feasible, scores)

    monkeypatch.setattr(additive_law, "exact_optimum", optimum)
    assert suggested(study.ask()) != first
    assert len(tried) > 1
