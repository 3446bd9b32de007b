"""An Optuna sampler whose every suggestion meets a budget."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from scaler.errors import ScalerError
from scaler.family import Architecture
from scaler.feasible import FeasibleSet
from scaler.space import SearchSpace
from scaler.strategy import Strategy, Trial


class FeasibleSampler(BaseSampler):
    """Suggests feasible architectures of a space, variable by variable, as a strategy chooses them.

    Trial number n is drawn for budget n modulo the number of budgets. What it proposes depends on ``seed``, n and the trials
    finished before, and on nothing else.

    Args:
        space: the space; its variables are the trial's parameters.
        sets: one feasible set of that space for each budget, none of them empty.
    """

    def __init__(self, space: SearchSpace, sets: Sequence[FeasibleSet], strategy: Strategy, seed: int) -> None:
        for feasible in sets:
            feasible.require()
        self.space, self.sets, self.strategy, self.seed = space, sets, strategy, seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: CategoricalDistribution(choices) for name, choices in self.space.variables.items()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        feasible = self.sets[trial.number % len(self.sets)]
        rng = np.random.default_rng([self.seed, trial.number])
        arch = self.strategy.propose(feasible, self._history(study, trial), rng)
        return {name: value for name, value in self._values(arch).items() if name in search_space}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise ScalerError(f"parameter {param_name!r} is not a variable of {self.space.name}: use {list(self.space.variables)}")

    def _history(self, study: Study, trial: FrozenTrial) -> list[Trial]:
        return [
            Trial(arch, score)
            for t, arch, score in scored(study.get_trials(deepcopy=False), self.space)
            if t.number < trial.number
        ]

    def _values(self, arch: Architecture) -> dict[str, Any]:
        return self.space.values(self.space.point(arch))


def scored(trials: Iterable[FrozenTrial], space: SearchSpace) -> list[tuple[FrozenTrial, Architecture, float | None]]:
    """Every trial that has its architecture, with its first objective's value where it is complete."""
    whole = [trial for trial in trials if space.variables.keys() <= trial.params.keys()]
    return [
        (trial, space.arch_of(trial.params), trial.values[0] if trial.state == TrialState.COMPLETE else None) for trial in whole
    ]
