"""Early stopping of trials: Optuna's pruners, each candidate compared with those of its own budget alone.

A pruner's steps are the rungs' distances from the start of the training, in units of the first rung's: an epoch, or fewer images
(see `experiments.training.rungs`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

from scaler.errors import UnknownNameError
from scaler.trials.attributes import NOTES
from scaler.trials.storage import stored_trial


@dataclass(frozen=True)
class Rule:
    """A kind of pruner.

    Attributes:
        make: makes the pruner.
        growth: each rung is ``growth`` times as far from the start as the one before; 1 for rungs at equal distances.
    """

    make: Callable[[], BasePruner]
    growth: int = 1


_ETA = 3  # Source: Li et al. 2020 (ASHA), section 3: a third is promoted at each rung, to three times the training

RULES = {
    "none": Rule(NopPruner),
    "halving": Rule(lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=_ETA), growth=_ETA),
    "median": Rule(lambda: MedianPruner(n_startup_trials=3, n_warmup_steps=1)),
}


def rule(name: str) -> Rule:
    """Return the rule called ``name``.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in RULES:
        raise UnknownNameError("pruner", name, RULES)
    return RULES[name]


def pruner(name: str) -> BasePruner:
    """Make the pruner of the rule called ``name``.

    Raises:
        UnknownNameError: there is none of that name.
    """
    return PerBudget(rule(name).make())


class PerBudget(BasePruner):
    """Shows a pruner the trials of one budget: a larger budget's are more accurate and would crowd out the smaller one's."""

    def __init__(self, inner: BasePruner) -> None:
        self.inner = inner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``inner`` stops the trial; see `optuna.pruners.BasePruner.prune`."""
        stored = stored_trial(study, trial)  # the attributes of the trial at hand may be older than its proposal
        of_budget: Any = _OfBudget(study, _budget(stored))
        return self.inner.prune(of_budget, trial)


class _OfBudget:
    """A study with the trials of one budget alone."""

    def __init__(self, study: Study, budget: int | None) -> None:
        self._inner, self._budget = study, budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        trials = self._inner.get_trials(deepcopy=deepcopy, states=states)
        return [trial for trial in trials if _budget(trial) == self._budget]


def _budget(trial: FrozenTrial) -> int | None:
    """Index of the budget that a trial was proposed for."""
    found: int | None = trial.user_attrs.get(NOTES, {}).get("budget")
    return found
