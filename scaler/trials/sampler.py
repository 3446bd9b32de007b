"""An Optuna sampler whose every suggestion meets a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from scaler.cost.architecture import Value
from scaler.errors import InfeasibleError, ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.attributes import ERROR, NOTES
from scaler.trials.history_reader import HistoryReader
from scaler.trials.storage import enqueued_parameters, partially_fixed_parameters, set_state, set_user_attr
from scaler.trials.strategy import Proposal, ProposalContext, Strategy

ENQUEUED = "enqueued"  # the origin of an architecture that a user chose


class FeasibleSampler(BaseSampler):
    """Suggests feasible architectures of a space, as a strategy chooses them.

    A proposal depends on ``seed``, the candidate's number and the candidates before, and on nothing else; a retry has the number
    of the trial that it retries. Studies may have one objective
    or several, any storage, several threads, and pruned trials, which teach as much as they were trained.

    Values that the user sets, by `optuna.Study.enqueue_trial` or `optuna.samplers.PartialFixedSampler`, are kept, and the others
    are chosen among the feasible architectures that have them. A trial that no feasible architecture fits is refused: the error
    is a `ScalerError`, and the trial fails. Parameters that are no variables of the space are drawn by Optuna's `RandomSampler`.

    Args:
        space: the space; its variables are the trial's parameters.
        sets: one feasible set of that space for each budget, none of them empty.
        lag: candidate n is proposed from the scores of the candidates up to n - ``lag``, even if later ones are known.
    """

    def __init__(self, space: SearchSpace, sets: Sequence[FeasibleSet], strategy: Strategy, seed: int, lag: int = 1) -> None:
        for feasible in sets:
            feasible.require()
        self.space, self.sets, self.strategy, self.seed = space, sets, strategy, seed
        self._history = HistoryReader(space, lag)
        self._narrowed: tuple[dict[str, Value], dict[int, FeasibleSet]] = {}, {}  # of the latest fixed values
        self._lock = Lock()  # threads of a study propose one after the other

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the distribution of each variable of the space."""
        return distributions(self.space)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Check the values that a user set in the queue; see `optuna.samplers.BaseSampler.before_trial`.

        Raises:
            ScalerError: no feasible architecture has them. The trial has failed.
        """
        if NOTES in trial.user_attrs:
            return
        given = {**trial.params, **enqueued_parameters(trial)}
        try:
            with self._lock:
                sets, number = self._sets_with(self._fixed(given), trial), self._history.number(study, trial)
        except ScalerError as error:
            set_user_attr(study, trial, ERROR, str(error))
            set_state(study, trial, TrialState.FAIL)
            raise
        if all(name in given or len(choices) == 1 for name, choices in self.space.variables.items()):
            budget = list(sets)[number % len(sets)]
            only = {name: choices[0] for name, choices in self.space.variables.items()}
            point = self.space.point_of({name: given.get(name, value) for name, value in only.items()})
            set_user_attr(study, trial, NOTES, noted_of(Proposal(point, budget, ENQUEUED)))

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Return a feasible architecture's values of the variables in ``search_space``.

        Raises:
            ScalerError: no feasible architecture has the values that were set for the other variables, or these are not known.
        """
        given = {**partially_fixed_parameters(study), **trial.params, **enqueued_parameters(trial)}
        unknown = [name for name in self.space.variables if name not in search_space and name not in given]
        if unknown:
            raise ScalerError(
                f"{type(study.sampler).__name__} samples {', '.join(unknown)} apart from FeasibleSampler: fix them with "
                "optuna.samplers.PartialFixedSampler, or give the space one choice for each"
            )
        noted = trial.user_attrs.get(NOTES) or self._propose(study, trial, self._fixed(given))
        return {name: value for name, value in self.space.values(noted["point"]).items() if name in search_space}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter that is no variable of the space, from the sampler's seed, the trial's number and the name."""
        rng = np.random.default_rng([self.seed, trial.number, *param_name.encode()])
        drawn = RandomSampler(int(rng.integers(1 << 32)))
        return drawn.sample_independent(study, trial, param_name, param_distribution)

    def _propose(self, study: Study, trial: FrozenTrial, fixed: dict[str, Value]) -> Mapping[str, Any]:
        """The note of the strategy's proposal, which is stored for a trial that is taken up again."""
        with self._lock:
            sets, number = self._sets_with(fixed, trial), self._history.number(study, trial)
            history, rng = self._history.before(study, trial), np.random.default_rng([self.seed, number])
            context = ProposalContext(self.space, list(sets.values()), number, history, rng, fixed)
            proposal = self.strategy.propose(context)
        noted = noted_of(replace(proposal, budget=list(sets)[proposal.budget]))
        set_user_attr(study, trial, NOTES, noted)
        return noted

    def _fixed(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """The variables in ``given`` that could have another value."""
        names = [name for name, choices in self.space.variables.items() if name in given and choices != (given[name],)]
        return {name: given[name] for name in names}

    def _sets_with(self, fixed: dict[str, Value], trial: FrozenTrial) -> dict[int, FeasibleSet]:
        """By the budget's index, the architectures that have the values in ``fixed``, if there are some."""
        if not fixed:
            return dict(enumerate(self.sets))
        if self._narrowed[0] != fixed:
            self._narrowed = fixed, _narrow(self.sets, fixed, trial.number)
        return self._narrowed[1]


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the parameters of a trial, one for each variable of ``space``."""
    return {name: CategoricalDistribution(choices) for name, choices in space.variables.items()}


def noted_of(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON."""
    limits = None if proposal.limits is None else [[key, bound.low, bound.high] for key, bound in proposal.limits.bounds]
    return {
        "point": list(proposal.point),
        "budget": proposal.budget,
        "origin": proposal.origin,
        "limits": limits,
        **proposal.notes,
    }


def _narrow(sets: Sequence[FeasibleSet], fixed: Mapping[str, Value], number: int) -> dict[int, FeasibleSet]:
    """By index, the ``sets`` narrowed to the values in ``fixed``, without empty ones; if all are, trial ``number`` is refused."""
    found, reason = dict[int, FeasibleSet](), ""
    for i, feasible in enumerate(sets):
        try:
            narrowed = feasible.having(fixed)
            narrowed.require()
        except ScalerError as error:
            reason = reason or str(error)
        else:
            found[i] = narrowed
    if not found:
        values = ", ".join(f"{name} = {value}" for name, value in fixed.items())
        raise InfeasibleError(f"trial {number} cannot have {values}: {reason}")
    return found
