"""What every strategy must do, and the sampler that offers them to Optuna."""

from math import log
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from scaler.budget import Bound, Budget
from scaler.cost.architecture import Architecture
from scaler.errors import InfeasibleError, UnknownNameError
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.attributes import NOTES
from scaler.trials.sampler import FeasibleSampler
from scaler.trials.strategies import STRATEGIES, strategy
from tests.scaler.toy import toy_space

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = toy_space({"widths": [[1, 2, 4]] * 3, "kinds": [[1, 2]] * 3, "scale": [1, 2]})
BUDGET = Budget((("flops", Bound(40, 300)),), "flops=40..300")
SETS = [FeasibleSet(SPACE, BUDGET), FeasibleSet(SPACE, Budget((("params", Bound(0, 9)),), "params=9"))]


QUICK = [name for name in STRATEGIES if name != "gp"]  # which takes a second for each proposal


def sampler(name: str, sets: list[FeasibleSet] = SETS, seed: int = 3, trials: int = 24) -> FeasibleSampler:
    return FeasibleSampler(sets[0].space, sets, strategy(name, trials), seed)


def suggested(trial: optuna.Trial) -> Architecture:
    return SPACE.arch_of({name: trial.suggest_categorical(name, choices) for name, choices in SPACE.variables.items()})


def score(arch: Architecture) -> float:
    return log(SPACE.cost(arch).flops) - 0.1 * arch.values()["kinds[0]"]


@pytest.mark.parametrize("name", QUICK)
def test_a_plain_optuna_study_gets_only_what_meets_the_limits_and_repeats(name: str) -> None:
    def run() -> list[dict[str, object]]:
        study = optuna.create_study(sampler=sampler(name), direction="maximize")

        def objective(trial: optuna.Trial) -> float:
            arch = suggested(trial)
            notes = study.trials[trial.number].user_attrs[NOTES]
            limits = Budget(tuple((key, Bound(low, high)) for key, low, high in notes["limits"] or ()))
            assert limits.admits(SPACE.quantities(arch)) if notes["limits"] else arch in SETS[notes["budget"]]
            return score(arch)

        study.optimize(objective, n_trials=30)
        return [trial.params for trial in study.trials]

    assert run() == run()


@pytest.mark.slow
def test_the_gaussian_process_repeats_and_proposes_what_meets_the_budget_alone() -> None:
    def run() -> list[optuna.trial.FrozenTrial]:
        study = optuna.create_study(sampler=sampler("gp", SETS[1:]), direction="maximize")
        study.optimize(lambda trial: score(suggested(trial)), n_trials=4)
        return study.trials

    first, again = run(), run()
    assert all(SPACE.arch_of(trial.params) in SETS[1] for trial in first)
    assert {trial.user_attrs[NOTES]["origin"] for trial in first} <= {"gp", "random"}
    assert "gp" in {trial.user_attrs[NOTES]["origin"] for trial in first}
    assert [trial.params for trial in first] == [trial.params for trial in again]


@pytest.mark.parametrize("name", QUICK)
def test_a_study_that_is_left_and_taken_up_repeats_one_that_is_not(name: str, tmp_path: Path) -> None:
    def run(file: str, *stops: int) -> list[dict[str, object]]:
        for stop in stops:
            storage = JournalStorage(JournalFileBackend(str(tmp_path / file)))
            study = optuna.create_study(
                storage=storage, study_name="s", sampler=sampler(name), direction="maximize", load_if_exists=True
            )
            study.optimize(lambda trial: score(suggested(trial)), n_trials=stop)
        return [trial.params for trial in study.trials]

    assert run("whole", 20) == run("stopped", 7, 1, 12)


@pytest.mark.parametrize("name", QUICK)
def test_a_set_of_one_is_proposed_again_and_again(name: str) -> None:
    tight = FeasibleSet(SPACE, Budget((("params", Bound(0, 6)), ("flops", Bound(0, 30))), "tight"))
    assert tight.size == 1
    study = optuna.create_study(sampler=sampler(name, [tight], trials=1))
    study.optimize(lambda trial: score(suggested(trial)), n_trials=3)
    assert {tuple(trial.params.values()) for trial in study.trials} == {(1, 1, 1, 1, 1, 1, 1)}


def test_uniform_does_not_repeat_while_something_is_left() -> None:
    study = optuna.create_study(sampler=sampler("uniform", SETS[:1]))
    study.optimize(lambda trial: score(suggested(trial)), n_trials=SETS[0].size // 2)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == SETS[0].size // 2


def test_an_unknown_strategy_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'uniform'"):
        strategy("unifrm", 1)


def test_the_sampler_refuses_an_empty_set() -> None:
    empty = FeasibleSet(SPACE, Budget((("params", Bound(0, 1)),), "params=1"))
    with pytest.raises(InfeasibleError, match="no architecture of toy meets params=1"):
        sampler("uniform", [empty])


def test_a_trial_that_a_user_enqueued_teaches_as_any_other() -> None:
    study = optuna.create_study(sampler=sampler("surrogate", SETS[:1]), direction="maximize")
    best = SPACE.values(SETS[0].points(np.array([0]))[0])
    study.enqueue_trial(best)
    study.optimize(lambda trial: score(suggested(trial)), n_trials=12)
    assert study.trials[0].params == best
    assert np.isfinite(study.best_value)
