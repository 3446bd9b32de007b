"""The trials of a search, held by Optuna: asked for, scored and told one by one, so that a search can stop and go on anywhere.

A candidate keeps the number of the trial that first asked for it. When its worker dies, Optuna tells that trial as failed and
queues another one of the same parameters; both count as one candidate.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.storages._heartbeat import get_heartbeat_thread  # ask-and-tell has no public way to a heartbeat
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as OptunaTrial

from scaler.budget import Bound, Budget
from scaler.cost.architecture import Architecture
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.pruning import pruner
from scaler.trials.sampler import NOTES, FeasibleSampler, distributions, noted_of
from scaler.trials.storage import RETRIES, is_alive, open_storage, worker_name
from scaler.trials.strategy import Proposal, Strategy

_RECORD, _ERROR, _SURPLUS, _WORKER, _FIRST = "record", "error", "surplus", "worker", "failed_trial"
_POLL_S, _CLAIM_S = 0.5, 60


@dataclass(frozen=True)
class Candidate:
    """A candidate that waits for its score: number ``number``, drawn for budget ``budget`` (an index), which meets ``limits``."""

    number: int
    budget: int
    limits: Budget
    origin: str
    arch: Architecture
    trial: OptunaTrial

    def stops(self, place: int, top1: float) -> bool:
        """Report the score at ``place``, in units of the first look's distance; whether the training is to stop there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a training that goes on reports its first looks again
            self.trial.report(top1, place)
        return self.trial.should_prune()


class SearchStudy:
    """An Optuna study over a space, its trials shared by all budgets.

    Args:
        storage: an Optuna storage's URL, or None for ``study.db`` (SQLite) in ``folder``.
        halving: how trials are stopped early; see `scaler.trials.pruning`.

    Raises:
        ScalerError: the storage cannot be opened.
    """

    def __init__(
        self,
        folder: Path,
        space: SearchSpace,
        sets: Sequence[FeasibleSet],
        strategy: Strategy,
        seed: int,
        storage: str | None = None,
        halving: str = "none",
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # ask-and-tell: `training` sends them
        self.space, self.sets, self._owned = space, sets, storage is None
        folder.mkdir(parents=True, exist_ok=True)
        # A run's own file may be moved with its folder; a storage that many runs share tells them apart by name.
        self._study = optuna.create_study(
            storage=open_storage(storage or f"sqlite:///{folder / 'study.db'}"),
            study_name=folder.resolve().name if storage else "search",
            sampler=FeasibleSampler(space, sets, strategy, seed),
            pruner=pruner(halving),
            direction="maximize",
            load_if_exists=True,
        )

    def enqueue(self, proposals: Sequence[Proposal]) -> None:
        """Have these tried first, where nothing was tried yet."""
        if not self._study.get_trials(deepcopy=False):
            for proposal in proposals:
                noted = {NOTES: noted_of(proposal)}
                self._study.enqueue_trial(dict(self.space.values(proposal.point)), user_attrs=noted)

    def recover(self) -> None:
        """Have trials that dead processes left without a score taken up again under their own numbers.

        Only where the storage is the run's own file, and so its workers are on this machine; elsewhere heartbeats tell.
        """
        for trial in self._trials(TrialState.RUNNING) if self._owned else ():
            if not is_alive(trial.user_attrs.get(_WORKER, "")):
                self._study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def abandon(self, worker: int) -> None:
        """Have the trials of a process of this machine that died tried again."""
        for trial in self._trials(TrialState.RUNNING):
            if trial.user_attrs.get(_WORKER) == worker_name(worker):
                self._retry(trial)

    def finished(self) -> int:
        """How many candidates have a score or have failed."""
        return sum(self._is_done(group) for group in self._candidates().values())

    def ask(self, trials: int) -> Iterator[Candidate]:
        """Candidates until ``trials`` are finished in all: first those that wait, then new ones.

        Where other workers still train the last ones, it waits for them, and takes up what a dead one left.
        """
        while self.finished() < trials:
            fail_stale_trials(self._study)
            self._abandon_unclaimed()
            if self._trials(TrialState.WAITING) or len(self._candidates()) < trials:
                asked = self._asked(self._study.ask(distributions(self.space)), trials)
                if asked is not None:
                    yield asked
            else:
                sleep(_POLL_S)

    @contextmanager
    def training(self, asked: Candidate) -> Iterator[None]:
        """While it is open, other workers see that this one lives."""
        with get_heartbeat_thread(asked.trial._trial_id, self._study._storage):
            yield

    def tell(self, asked: Candidate, score: float, record: Mapping[str, Any], pruned: bool = False) -> None:
        """Keep a candidate's score; ``record`` is what `records` gives back."""
        asked.trial.set_user_attr(_RECORD, dict(record))
        if pruned:
            self._study.tell(asked.trial, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            self._study.tell(asked.trial, score, skip_if_finished=True)

    def fail(self, asked: Candidate, error: str) -> None:
        """Record that the candidate could not be scored; it is not tried again."""
        asked.trial.set_user_attr(_ERROR, error)
        self._study.tell(asked.trial, state=TrialState.FAIL, skip_if_finished=True)

    def records(self) -> dict[int, Mapping[str, Any]]:
        """What was told of every scored candidate, by number, in the order in which they finished."""
        done = [t for t in self._trials(TrialState.COMPLETE, TrialState.PRUNED) if _RECORD in t.user_attrs]
        done.sort(key=lambda trial: (trial.datetime_complete, trial.number))
        return {_first(trial): trial.user_attrs[_RECORD] for trial in done}

    def importances(self) -> dict[str, float]:
        """How much of the scores' variance each variable explains, by Optuna's functional ANOVA; empty where they do not vary."""
        if len({trial.value for trial in self._trials(TrialState.COMPLETE)}) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(self._study, evaluator=evaluator))

    def notes(self) -> dict[int, Mapping[str, Any]]:
        """By number, how each candidate came to be proposed: its origin, and for contraction its step and base."""
        return {_first(trial): trial.user_attrs.get(NOTES, {}) for trial in self._trials()}

    def _asked(self, trial: OptunaTrial, trials: int) -> Candidate | None:
        """The candidate, unless enough others were asked for at the same moment."""
        frozen = self._study._storage.get_trial(trial._trial_id)
        number = _first(frozen)
        if list(self._candidates()).index(number) >= trials:
            trial.set_user_attr(_SURPLUS, True)
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        with get_heartbeat_thread(trial._trial_id, self._study._storage):  # the first beat
            trial.set_user_attr(_WORKER, worker_name(os.getpid()))
        values = {name: trial.params[name] for name in self.space.variables}
        own = {"budget": trial.number % len(self.sets), "origin": "enqueued", "limits": None}  # of a trial that a user put in
        notes = self._study._storage.get_trial(trial._trial_id).user_attrs.get(NOTES, own)
        budget = self.sets[notes["budget"]].budget
        limits = notes["limits"]
        if limits:
            budget = Budget(tuple((key, Bound(low, high)) for key, low, high in limits), f"limits on the way to {budget}")
        return Candidate(number, notes["budget"], budget, notes["origin"], self.space.arch_of(values), trial)

    def _candidates(self) -> dict[int, list[FrozenTrial]]:
        """The trials of each candidate, by its number."""
        found: dict[int, list[FrozenTrial]] = {}
        for trial in self._trials():
            if _SURPLUS not in trial.user_attrs:
                found.setdefault(_first(trial), []).append(trial)
        return found

    def _is_done(self, group: Sequence[FrozenTrial]) -> bool:
        states = {trial.state for trial in group}
        if states & {TrialState.COMPLETE, TrialState.PRUNED}:
            return True
        return states == {TrialState.FAIL} and (len(group) > RETRIES or any(_ERROR in trial.user_attrs for trial in group))

    def _abandon_unclaimed(self) -> None:
        """Have trials tried again whose worker died before it could say that it has them, and so has no heartbeat either."""
        long_ago = datetime.now() - timedelta(seconds=_CLAIM_S)
        for trial in self._trials(TrialState.RUNNING):
            if _WORKER not in trial.user_attrs and (trial.datetime_start or long_ago) < long_ago:
                self._retry(trial)

    def _retry(self, trial: FrozenTrial) -> None:
        """Fail a running trial and queue it again, unless another process has done so."""
        try:
            if self._study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL):
                RetryHeartbeatStaleTrialCallback(RETRIES)(self._study, trial)
        except optuna.exceptions.UpdateFinishedTrialError:
            pass

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)


def _first(trial: FrozenTrial) -> int:
    """The number of the trial that first asked for the candidate."""
    return int(trial.system_attrs.get(_FIRST, trial.number))
