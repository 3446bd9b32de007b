"""Which trials are stopped early: Optuna's pruners, each candidate compared with those of its own budget alone."""

from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

from scaler.errors import UnknownNameError
from scaler.sampler import NOTES

# Source: Li et al. 2020 (ASHA), section 3: a third is promoted at each rung; here the rungs are 1, 3, 9, ... epochs.
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": lambda: NopPruner(),
    "halving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "median": lambda: MedianPruner(n_startup_trials=3, n_warmup_steps=1),
}


def pruner(name: str) -> BasePruner:
    """Raises UnknownNameError where there is none of that name."""
    if name not in PRUNERS:
        raise UnknownNameError("pruner", name, PRUNERS)
    return PerBudget(PRUNERS[name]())


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
