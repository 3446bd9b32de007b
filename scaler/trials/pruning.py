"""Early stopping of trials: Optuna's pruners, each candidate compared with those of its own budget and resolution alone.

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
from scaler.trials.numbering import Numbering
from scaler.trials.storage import all_trials, stored_trial


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


def pruner(name: str, lag: int | None = None) -> BasePruner:
    """Make the pruner of the rule called ``name``; see `PerBudget` for ``lag``.

    Raises:
        UnknownNameError: there is none of that name.
    """
    return PerBudget(rule(name).make(), lag)


class PerBudget(BasePruner):
    """Shows a pruner the trials of one budget and one resolution.

    A larger budget's are more accurate and would crowd out the smaller one's. A low resolution learns faster and may end lower.

    Args:
        lag: candidate n is compared with those up to n - ``lag`` alone; None for all that there are.
    """

    def __init__(self, inner: BasePruner, lag: int | None = None) -> None:
        self.inner, self.lag = inner, lag

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether ``inner`` stops the trial; see `optuna.pruners.BasePruner.prune`."""
        stored = stored_trial(study, trial)  # the attributes of the trial at hand may be older than its proposal
        of_budget: Any = _Rivals(study, stored, self.lag)
        return self.inner.prune(of_budget, trial)


class _Rivals:
    """A study with the trials that one is compared with: itself, and those before it of its budget and resolution."""

    def __init__(self, study: Study, trial: FrozenTrial, lag: int | None) -> None:
        self._inner, self._kind, self._own, self._lag = study, _kind(trial), trial.number, lag
        self._numbering = Numbering()
        if lag is not None:
            self._numbering.update(all_trials(study))
            self._last = self._numbering.of(trial) - lag

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        trials = self._inner.get_trials(deepcopy=deepcopy, states=states)
        return [trial for trial in trials if _kind(trial) == self._kind and self._is_seen(trial)]

    def _is_seen(self, trial: FrozenTrial) -> bool:
        return self._lag is None or trial.number == self._own or self._numbering.of(trial) <= self._last


def _kind(trial: FrozenTrial) -> tuple[Any, Any]:
    """Index of the budget that a trial was proposed for, and its resolution; None where it has none."""
    return trial.user_attrs.get(NOTES, {}).get("budget"), trial.params.get("resolution")
