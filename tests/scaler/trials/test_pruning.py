"""Pruners that compare a trial with those of its own budget alone."""

import optuna
import pytest

from scaler.errors import UnknownNameError
from scaler.trials.attributes import NOTES
from scaler.trials.pruning import RULES, pruner
from scaler.trials.storage import set_user_attr


def test_each_budget_has_its_own_rungs() -> None:
    study = optuna.create_study(direction="maximize", pruner=pruner("halving"))
    outcome = []
    for budget, score in [(0, 5.0), (1, 50.0), (0, 3.0), (0, 6.0), (1, 40.0), (1, 60.0)]:
        trial = study.ask()
        set_user_attr(study, trial, NOTES, {"budget": budget})
        trial.report(score, 1)
        outcome.append(trial.should_prune())
        study.tell(trial, score)
    assert outcome == [False, False, True, False, True, False]


def test_each_resolution_has_its_own_rungs() -> None:
    study = optuna.create_study(direction="maximize", pruner=pruner("halving"))
    outcome = []
    for resolution, score in [(24, 50.0), (32, 5.0), (24, 40.0), (32, 6.0), (32, 4.0)]:
        study.enqueue_trial({"resolution": resolution})
        trial = study.ask()
        trial.suggest_categorical("resolution", [24, 32])
        trial.report(score, 1)
        outcome.append(trial.should_prune())
        study.tell(trial, score)
    assert outcome == [False, False, True, False, True]


def test_halving_looks_where_its_rungs_are() -> None:
    """A third goes on at each of 1, 3 and 9, which are all that its rule looks at."""
    rungs = [RULES["halving"].growth ** i for i in range(3)]
    study = optuna.create_study(direction="maximize", pruner=pruner("halving"))
    last = []
    for score in (90.0, 10.0, 20.0, 95.0, 30.0, 40.0):
        trial = study.ask()
        set_user_attr(study, trial, NOTES, {"budget": 0})
        for place in rungs:
            trial.report(score + place, place)
            if trial.should_prune():
                break
        last.append(place)
        study.tell(trial, score)
    assert last == [9, 1, 1, 9, 1, 1]


def test_an_unknown_pruner_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'halving'"):
        pruner("halvin")
