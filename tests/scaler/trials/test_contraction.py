"""Contraction: its limits, its bases, and the published models on its paths."""

import numpy as np
import optuna
import pytest

from models.zoo.seeds import SEEDS
from scaler.arrays import Ints
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.attributes import NOTES
from scaler.trials.contraction import Contraction, plan, step_set
from scaler.trials.history import translate_points
from scaler.trials.sampler import FeasibleSampler
from search_spaces.problem import spaces

optuna.logging.set_verbosity(optuna.logging.WARNING)


def logs(space: SearchSpace, points: Ints) -> Ints:
    columns = [np.log(np.array(choices, float))[points[:, j]] for j, choices in enumerate(space.variables.values())]
    return np.stack(columns, axis=1)


def towards(space: SearchSpace, near: FeasibleSet, goal: tuple[int, ...]) -> tuple[int, ...]:
    """Of all members, the one nearest to ``goal``: what a population that scores by nearness would end at."""
    drawn = translate_points(near.sample_points(20_000, np.random.default_rng(0)), near.space, space)
    points = np.array([goal]) if space.arch(goal) in near else drawn
    return tuple(points[np.abs(logs(space, points) - logs(space, np.array([goal]))).sum(axis=1).argmin()].tolist())


# Source: the published widths; Wu et al. 2022, official configs/1k. FLOPs and parameters by fvcore.
@pytest.mark.parametrize("number", [3, 4])
def test_the_published_tiny_vits_lie_on_the_path_from_the_largest(number: int) -> None:
    space, sets = spaces("tiny_vit_21m_224", ["flops=1.28G,params=5.4M", "flops=2.04G,params=11.0M"])
    steps = plan(space, sets, number)
    assert [step.budget for step in steps] == [1] * number + [0] * number
    base = space.point(SEEDS["tiny_vit_21m_224"])
    for step in steps:
        goal = SEEDS["tiny_vit_11m_224" if step.budget == 1 else "tiny_vit_5m_224"]
        near = step_set(space, sets[step.budget], step.limits, base)
        if step.is_last:
            assert goal in near
        base = towards(space, near, space.point(goal))
        assert space.arch(base) in near
        assert (space.arch(base) == goal) == step.is_last


def test_each_step_starts_from_the_best_two_of_the_one_before_in_turn_and_stays_under_its_limits() -> None:
    space, sets = spaces("tiny_vit_1m_32", ["flops=1M", "flops=3M"])
    study = optuna.create_study(sampler=FeasibleSampler(space, sets, Contraction(16), 0), direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        arch = space.arch_of({name: trial.suggest_categorical(name, choices) for name, choices in space.variables.items()})
        return float(arch.resolution + sum(trial.params[f"depths[{i}]"] for i in range(4)))

    study.optimize(objective, n_trials=20)
    notes = [trial.user_attrs[NOTES] for trial in study.trials]
    assert [note["step"] for note in notes] == sorted(i for i in range(5) for _ in range(4))
    assert [note["budget"] for note in notes[::4]] == [1, 1, 0, 0, 1]
    assert notes[0]["base"] == list(space.point(space.seed))
    for at in range(1, 4):
        best = sorted(study.trials[4 * at - 4 : 4 * at], key=lambda trial: -(trial.value or 0))[:2]
        assert [note["base"] for note in notes[4 * at : 4 * at + 4]] == [notes[trial.number]["point"] for trial in best] * 2
    costs = [space.cost(space.arch(note["point"])).flops for note in notes]
    assert max(costs[:4]) > max(costs[4:8]) > max(costs[8:12]) > max(costs[12:16])
    assert all(space.arch(note["point"]) in sets[note["budget"]] for note in notes if not note["limits"])
