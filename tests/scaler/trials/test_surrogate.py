"""The surrogate: what it finds, what it costs, several objectives, fidelities and workers."""

from math import log

import numpy as np
import optuna
import pytest

from scaler.cost.architecture import Architecture
from scaler.trials.attributes import NOTES
from scaler.trials.history import History
from scaler.trials.history_reader import HistoryReader
from scaler.trials.sampler import FeasibleSampler
from scaler.trials.strategies import strategy
from scaler.trials.strategy import ProposalContext
from scaler.trials.surrogate import Features, Surrogate, expected_improvement, neighbours
from search_spaces.problem import spaces

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE, SETS = spaces("tiny_vit_1m_32", ["flops=2M", "flops=4M,params=300k"])


def accuracy(arch: Architecture) -> float:
    """Grows with every axis, ever less, and with resolution most."""
    rates = {"resolution": 12.0, "embed_dims[2]": 4.0, "depths[2]": 3.0}
    return 50 + sum(rates.get(name, 0.5) * log(value) for name, value in arch.values().items())


def suggested(trial: optuna.Trial) -> Architecture:
    return SPACE.arch_of({name: trial.suggest_categorical(name, choices) for name, choices in SPACE.variables.items()})


def best(name: str, seed: int, trials: int = 30) -> float:
    """The best true accuracy under the first budget, of those that a search with noisy scores tried."""
    noise = np.random.default_rng(seed)
    study = optuna.create_study(sampler=FeasibleSampler(SPACE, SETS, strategy(name, trials), seed), direction="maximize")
    study.optimize(lambda trial: accuracy(suggested(trial)) + noise.normal(), n_trials=trials)
    archs = [SPACE.arch_of(trial.params) for trial in study.trials]
    return max(accuracy(arch) for arch in archs if arch in SETS[0])


def test_it_finds_better_architectures_than_random_draws_of_three_times_as_many() -> None:
    assert np.mean([best("surrogate", seed) for seed in range(3)]) > np.mean([best("uniform", seed, 90) for seed in range(3)])


def test_several_objectives_spread_over_their_front() -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(SPACE, SETS[:1], strategy("surrogate", 40), 0), directions=["maximize", "minimize"]
    )
    study.optimize(lambda trial: (accuracy(arch := suggested(trial)), log(SPACE.cost(arch).params)), n_trials=40)
    learned = np.array([trial.values for trial in study.trials[8:]])
    drawn = np.array([trial.values for trial in study.trials[:8]])
    assert learned[:, 0].max() > drawn[:, 0].max()
    assert learned[:, 1].min() < drawn[:, 1].min()


def test_workers_at_once_do_not_propose_the_same() -> None:
    study = optuna.create_study(sampler=FeasibleSampler(SPACE, SETS[:1], strategy("surrogate", 40), 0), direction="maximize")
    study.optimize(lambda trial: accuracy(suggested(trial)), n_trials=10)
    asked = [suggested(study.ask()) for _ in range(6)]
    assert len(set(asked)) == 6
    assert {study.trials[-1].user_attrs[NOTES]["origin"]} == {"surrogate"}


@pytest.mark.parametrize("pruner", [optuna.pruners.SuccessiveHalvingPruner(), optuna.pruners.HyperbandPruner(1, 9)])
def test_pruned_trials_teach_at_the_fidelity_that_they_reached(pruner: optuna.pruners.BasePruner) -> None:
    sampler = FeasibleSampler(SPACE, SETS[:1], strategy("surrogate", 40), 0)
    study = optuna.create_study(sampler=sampler, direction="maximize", pruner=pruner)

    def objective(trial: optuna.Trial) -> float:
        arch = suggested(trial)
        for epoch in range(1, 10):
            trial.report(value := accuracy(arch) + 5 * log(epoch), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=30)
    study.ask()
    history = HistoryReader(SPACE).before(study, study.trials[30])
    assert history.scored.all()
    assert (history.fidelity == 1).sum() >= len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    assert (history.fidelity < 1).any()
    assert study.best_value > np.median([trial.value for trial in study.trials[:8] if trial.value])


def test_features_know_what_meets_a_budget() -> None:
    points = SETS[0].sample_points(50, np.random.default_rng(0))
    features = Features(SPACE)
    assert features.meets(points, SETS[0].budget).all()
    assert features.meets(points, SETS[1].budget).tolist() == [SPACE.arch(point) in SETS[1] for point in points]


def test_neighbours_differ_by_one_step_along_one_or_two_axes_and_stay_in_the_space() -> None:
    centre = SETS[0].sample_points(1, np.random.default_rng(1))
    found = neighbours(centre, SPACE)
    steps = np.abs(found - centre).sum(axis=1)
    assert set(steps.tolist()) == {0, 1, 2}
    assert all(0 <= i < len(choices) for point in found for i, choices in zip(point, SPACE.variables.values(), strict=True))
    singles = {tuple(point) for point in found[steps == 1].tolist()}
    sizes = np.array([len(choices) for choices in SPACE.variables.values()])
    assert len(singles) == int((centre > 0).sum() + (centre < sizes - 1).sum())


def test_the_best_of_the_pool_and_of_the_neighbours_is_proposed() -> None:
    """Without noise a proposal beats all but a few of ten thousand random members, by the model that proposes it."""
    points = SETS[0].sample_points(30, np.random.default_rng(2))
    scores = np.array([[accuracy(SPACE.arch(point))] for point in points])
    history = History(SPACE, points, scores, np.ones(30), [{}] * 30)
    proposal = Surrogate().propose(ProposalContext(SPACE, SETS[:1], 30, history, np.random.default_rng(0)))
    drawn = SETS[0].sample(3000, np.random.default_rng(3))
    proposed = SPACE.arch(proposal.point)
    assert proposed in SETS[0]
    assert accuracy(proposed) > np.quantile([accuracy(arch) for arch in drawn], 0.999)


def test_expected_improvement_in_known_cases() -> None:
    gain = expected_improvement(np.array([0.0, 1.0, -9.0]), np.array([1.0, 1e-6, 1.0]), 0.0)
    # Source: for mean = best, the improvement of a standard normal is 1 / sqrt(2 pi).
    assert gain == pytest.approx([0.3989423, 1.0, 0.0], abs=1e-6)
