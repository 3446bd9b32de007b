"""Which trials are stopped early: Optuna's pruners, each candidate compared with those of its own budget alone.

They count in looks' distances from the start, the first look's being 1: an epoch, or fewer images (see
`experiments.training.rungs`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

from scaler.errors import UnknownNameError
from scaler.trials.sampler import NOTES


@dataclass(frozen=True)
class Rule:
    """How to make a pruner, and where it looks: each time ``growth`` times as far as before; 1 for equal distances."""

    make: Callable[[], BasePruner]
    growth: int = 1


_ETA = 3  # Source: Li et al. 2020 (ASHA), section 3: a third is promoted at each rung, to three times the training

RULES = {
    "none": Rule(NopPruner),
    "halving": Rule(lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=_ETA), growth=_ETA),
    "median": Rule(lambda: MedianPruner(n_startup_trials=3, n_warmup_steps=1)),
}


def rule(name: str) -> Rule:
    """Raises UnknownNameError where there is none of that name."""
    if name not in RULES:
        raise UnknownNameError("pruner", name, RULES)
    return RULES[name]


def pruner(name: str) -> BasePruner:
    """Raises UnknownNameError where there is none of that name."""
    return PerBudget(rule(name).make())


class PerBudget(BasePruner):
    """A larger budget's trials are more accurate; without this they would crowd out the smaller ones'."""

    def __init__(self, inner: BasePruner) -> None:
        self.inner = inner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        stored = study._storage.get_trial(trial._trial_id)  # what a trial holds of its attributes may be older than its proposal
        seen: Any = _OfBudget(study, stored.user_attrs.get(NOTES, {}).get("budget"))
        return self.inner.prune(seen, trial)


class _OfBudget:
    """A study that shows the trials of one budget."""

    def __init__(self, study: Study, budget: int | None) -> None:
        self._inner, self._budget = study, budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        trials = self._inner.get_trials(deepcopy=deepcopy, states=states)
        return [trial for trial in trials if trial.user_attrs.get(NOTES, {}).get("budget") == self._budget]
