"""An Optuna sampler whose every suggestion meets a budget."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from scaler.arrays import Floats, Ints
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import History
from scaler.trials.strategy import Proposal, ProposalContext, Strategy

NOTES = "scaler"  # the user attribute that holds what was noted of a proposal
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class FeasibleSampler(BaseSampler):
    """Suggests feasible architectures of a space, variable by variable, as a strategy chooses them.

    What it proposes for a trial depends on ``seed``, the trial's number and the trials before, and on nothing else. It takes
    single- and multi-objective studies, any storage, and pruned trials, which teach as much as they were trained.

    Args:
        space: the space; its variables are the trial's parameters.
        sets: one feasible set of that space for each budget, none of them empty.
    """

    def __init__(self, space: SearchSpace, sets: Sequence[FeasibleSet], strategy: Strategy, seed: int) -> None:
        for feasible in sets:
            feasible.require()
        self.space, self.sets, self.strategy, self.seed = space, sets, strategy, seed
        self._trials = _Trials(space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return distributions(self.space)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        point = (trial.user_attrs.get(NOTES) or self._propose(study, trial))["point"]
        return {name: value for name, value in self.space.values(point).items() if name in search_space}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise ScalerError(f"parameter {param_name!r} is not a variable of {self.space.name}: use {list(self.space.variables)}")

    def _propose(self, study: Study, trial: FrozenTrial) -> Mapping[str, Any]:
        """Ask the strategy, and keep its answer with the trial, where one that is taken up again finds it."""
        history = self._trials.before(study, trial.number)
        rng = np.random.default_rng([self.seed, trial.number])
        proposal = self.strategy.propose(ProposalContext(self.space, self.sets, trial.number, history, rng))
        noted = noted_of(proposal)
        study._storage.set_trial_user_attr(trial._trial_id, NOTES, noted)
        return noted


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    return {name: CategoricalDistribution(choices) for name, choices in space.variables.items()}


def noted_of(proposal: Proposal) -> dict[str, Any]:
    """A proposal as JSON."""
    limits = None if proposal.limits is None else [[key, bound.low, bound.high] for key, bound in proposal.limits.bounds]
    return {
        "point": list(proposal.point), "budget": proposal.budget, "origin": proposal.origin, "limits": limits,
        **proposal.notes,
    }  # fmt: skip


def _only(history: History, kept: NDArray[np.bool_]) -> History:
    notes = [note for note, keep in zip(history.notes, kept, strict=True) if keep]
    return History(history.space, history.points[kept], history.scores[kept], history.fidelity[kept], notes)


class _Trials:
    """A study's trials as arrays, in which each finished trial is read once."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._index = {name: {value: i for i, value in enumerate(choices)} for name, choices in space.variables.items()}
        self._forget(None, 1)

    def _forget(self, study: str | None, objectives: int) -> None:
        self.study = study
        self.points: Ints = np.zeros((0, len(self.space.variables)), np.int64)
        self.scores: Floats = np.zeros((0, objectives))
        self.steps: Floats = np.zeros(0)
        self.notes: list[Mapping[str, Any]] = []
        self.kept: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.read = 0
        self.done = bytearray()  # which trials are finished; looked at one by one, where a list's speed counts

    def before(self, study: Study, number: int) -> History:
        """The trials numbered below ``number`` that have all their parameters."""
        if self.study != study.study_name:
            self._forget(study.study_name, len(study.directions))
        self._grow(number)
        trials = study.get_trials(deepcopy=False)
        # Some pruners show a part of the trials only; of all, those below `read` are known to be done.
        whole = self.read < len(trials) and trials[self.read].number == self.read
        for trial in trials[self.read if whole else 0 :]:
            if trial.number < number and not self.done[trial.number]:
                self._take(trial, study.directions)
        while self.read < number and self.done[self.read]:
            self.read += 1
        fidelity = np.nan_to_num(self.steps[:number] / np.nanmax(self.steps[:number], initial=1.0), nan=1.0)
        known = History(self.space, self.points[:number], self.scores[:number], fidelity, self.notes[:number])
        return known if self.kept[:number].all() else _only(known, self.kept[:number])

    def _take(self, trial: FrozenTrial, directions: Sequence[StudyDirection]) -> None:
        i = trial.number
        self.done[i] = trial.state.is_finished()
        self.kept[i] = self.space.variables.keys() <= trial.params.keys()
        if not self.kept[i]:
            return
        self.points[i] = [self._index[name][trial.params[name]] for name in self.space.variables]
        self.notes[i] = trial.user_attrs.get(NOTES, {})
        self.scores[i] = np.nan
        self.steps[i] = np.nan if trial.last_step is None else trial.last_step
        if trial.state in _DONE:
            values = trial.values or [trial.intermediate_values.get(trial.last_step or 0, np.nan)]
            signs = [1 if direction == StudyDirection.MAXIMIZE else -1 for direction in directions]
            self.scores[i] = np.array(values) * signs

    def _grow(self, size: int) -> None:
        if size <= len(self.done):
            return
        room = max(size - len(self.done), len(self.done))  # twice the size each time
        self.points = np.pad(self.points, ((0, room), (0, 0)))
        self.scores = np.pad(self.scores, ((0, room), (0, 0)), constant_values=np.nan)
        self.steps = np.pad(self.steps, (0, room), constant_values=np.nan)
        self.kept = np.pad(self.kept, (0, room))
        self.done += bytes(room)
        self.notes += [{}] * room
