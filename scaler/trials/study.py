"""The trials of a search, held by Optuna: asked for, scored and told one by one, so that a search can stop and go on anywhere.

Candidates are numbered in the order in which they were first asked for. When a worker dies, Optuna tells its trial as failed and
queues another one of the same parameters; both count as one candidate, so that no number is used up.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from scaler.budget import Bound, Budget
from scaler.files import make_folder
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.attributes import DIGEST, ERROR, NOTES, RECORD, SURPLUS, WORKER
from scaler.trials.candidate import Candidate, LostTrialError
from scaler.trials.candidates import Candidates
from scaler.trials.pruning import pruner
from scaler.trials.sampler import FeasibleSampler, noted_of
from scaler.trials.storage import (
    heartbeat,
    is_alive,
    is_dead,
    open_storage,
    quiet_optuna,
    retry_trial,
    set_state,
    sqlite_url,
    stored_trial,
    worker_name,
)
from scaler.trials.strategy import Proposal, Strategy
from scaler.trials.study_file import trial_digest

STUDY, STUDY_NAME = "study.db", "search"  # the run's own file, and the study in it
_TURN = ".turn"  # locked by the worker that asks for a candidate
_POLL_S = 0.5
_CLAIM_S, _DEATH_S = 60, 10  # after its start a trial has a worker of its own; until then a retry has the name of the dead one


class SearchStudy:
    """An Optuna study over a space, its trials shared by all budgets.

    Args:
        storage: an Optuna storage's URL, or None for ``study.db`` (SQLite) in ``folder``.
        pruner_name: the rule that stops trials early; see `scaler.trials.pruning`.
        lag: candidate n is asked for once the candidates up to n - ``lag`` are finished, and proposed from these alone, so that
            the candidates of ``lag`` workers do not depend on their speed. None to ask at any time, from all scores that there
            are.

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
        pruner_name: str = "none",
        lag: int | None = None,
    ) -> None:
        self.space, self.sets, self._has_own_storage = space, sets, storage is None
        self._lag, self._turn_lock = lag, folder / _TURN
        if storage is None:
            make_folder(folder)
        opened = open_storage(storage or sqlite_url(folder / STUDY))
        with quiet_optuna():
            # A run's own file may be moved with its folder; a storage that many runs share tells them apart by name.
            self._study = optuna.create_study(
                storage=opened,
                study_name=folder.resolve().name if storage else STUDY_NAME,
                sampler=FeasibleSampler(space, sets, strategy, seed, lag or 1),
                pruner=pruner(pruner_name, lag),
                direction="maximize",
                load_if_exists=True,
            )
        self._known = Candidates(self._study)

    def enqueue(self, proposals: Sequence[Proposal]) -> None:
        """Have ``proposals`` tried first, unless the study has trials already."""
        if not self._study.get_trials(deepcopy=False):
            for proposal in proposals:
                noted = {NOTES: noted_of(proposal)}
                self._study.enqueue_trial(dict(self.space.values(proposal.point)), user_attrs=noted)

    def recover(self) -> None:
        """Queue trials that dead processes left without a score, under their own numbers.

        Does nothing in a storage that is not the run's own file: its workers may be on other machines, and heartbeats tell.
        """
        for trial in self._running() if self._has_own_storage else ():
            if not is_alive(trial.user_attrs.get(WORKER, "")):
                set_state(self._study, trial, TrialState.WAITING)

    def abandon(self, worker: int) -> None:
        """Queue a retry of the trials of process ``worker`` of this machine, which died."""
        for trial in self._running():
            if trial.user_attrs.get(WORKER) == worker_name(worker):
                retry_trial(self._study, trial)

    def finished(self) -> int:
        """Return the number of candidates that have a score or have failed."""
        return len(self._candidates().finished)

    def running(self) -> int:
        """Return the number of candidates in training."""
        return len(self._running())

    def ask(self, trials: int, is_open: Callable[[], bool] = lambda: True) -> Iterator[Candidate]:
        """Yield candidates until ``trials`` are finished in all: first those that wait, then new ones.

        Where other workers still train the last ones, it waits for them, and takes up what a dead one left. It ends earlier if
        ``is_open`` returns False.
        """
        while self.finished() < trials and is_open():
            self._retry_lost()
            with self._turn():
                candidate = self._ask_one(trials) if self._is_ready(trials) else None
            if candidate is None:
                sleep(_POLL_S)
            else:
                yield candidate

    @contextmanager
    def training(self, candidate: Candidate) -> Iterator[None]:
        """Show other workers, while the block runs, that this one lives."""
        with heartbeat(self._study, candidate.trial):
            yield

    def tell(self, candidate: Candidate, score: float, record: Mapping[str, Any], pruned: bool = False) -> None:
        """Store a candidate's score and its ``record``, which `records` gives back.

        Raises:
            LostTrialError: if the trial was given up meanwhile because its worker seemed dead; another one retries it.
        """
        outcome = {"state": TrialState.PRUNED} if pruned else {"values": score}
        self._finish(candidate, {RECORD: dict(record)}, outcome)

    def fail(self, candidate: Candidate, error: str) -> None:
        """Record that the candidate could not be scored; it is not tried again.

        Raises:
            LostTrialError: as `tell`.
        """
        self._finish(candidate, {ERROR: error}, {"state": TrialState.FAIL})

    def records(self) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Return (number, record) of every scored candidate, in the order in which they finished; new ones come at the end."""
        return self._candidates().records

    @quiet_optuna()
    def importances(self) -> dict[str, float]:
        """Return the fraction of the scores' variance that each variable explains, by Optuna's functional ANOVA.

        Empty where the scores do not vary.
        """
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len({trial.value for trial in complete}) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(self._study, evaluator=evaluator))

    def notes(self) -> dict[int, Mapping[str, Any]]:
        """Return the sampler's note of each candidate by number: its point, its origin, and a contraction's step and base."""
        known, trials = self._candidates(), self._study.get_trials(deepcopy=False)
        return {known.number(trial): self._note(trial) for trial in trials if SURPLUS not in trial.user_attrs}

    def _note(self, trial: FrozenTrial) -> Mapping[str, Any]:
        """The sampler's note of a trial; for one that another program added to the study, its point."""
        if NOTES in trial.user_attrs:
            noted: Mapping[str, Any] = trial.user_attrs[NOTES]
            return noted
        is_whole = self.space.variables.keys() <= trial.params.keys()
        return {"point": list(self.space.point_of(trial.params))} if is_whole else {}

    def _turn(self) -> AbstractContextManager[object]:
        """Return a lock under which one worker at a time asks, so that a candidate's proposal sees those of all before it."""
        return nullcontext() if self._lag is None else FileLock(self._turn_lock)

    def _is_ready(self, trials: int) -> bool:
        """Return True if a candidate waits, or the next of ``trials`` may be proposed."""
        known = self._candidates()
        if known.in_state(TrialState.WAITING):
            return True
        seen = 0 if self._lag is None else len(known) - self._lag + 1
        return len(known) < trials and known.finished.issuperset(range(seen))

    def _ask_one(self, trials: int) -> Candidate | None:
        """The next candidate; None where enough others were asked for at the same moment, or another worker took it over."""
        with quiet_optuna():
            trial = self._study.ask()
        number = self._candidates().number(stored_trial(self._study, trial))
        try:
            if number >= trials:
                trial.set_user_attr(SURPLUS, True)
                self._study.tell(trial, state=TrialState.FAIL)
                return None
            with heartbeat(self._study, trial):  # the first beat; before the parameters, whose storing takes longest
                trial.set_user_attr(WORKER, worker_name(os.getpid()))
            values = {name: trial.suggest_categorical(name, choices) for name, choices in self.space.variables.items()}
        except UpdateFinishedTrialError:
            return None
        note = stored_trial(self._study, trial).user_attrs[NOTES]
        arch = self.space.arch_of(values)
        return Candidate(number, note["budget"], self._limits(note), note["origin"], arch, trial)

    def _limits(self, note: Mapping[str, Any]) -> Budget:
        budget: Budget = self.sets[note["budget"]].budget
        if not note["limits"]:
            return budget
        return Budget(tuple((key, Bound(low, high)) for key, low, high in note["limits"]), f"limits on the way to {budget}")

    @quiet_optuna()
    def _finish(self, candidate: Candidate, attributes: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        try:
            for name, value in attributes.items():
                candidate.trial.set_user_attr(name, value)
            stored = stored_trial(self._study, candidate.trial)
            candidate.trial.set_user_attr(DIGEST, trial_digest(stored, outcome.get("values")))
            self._study.tell(candidate.trial, **outcome)
        except (UpdateFinishedTrialError, ValueError) as error:  # of a finished trial, which Optuna tells by either
            if not stored_trial(self._study, candidate.trial).state.is_finished():
                raise
            raise LostTrialError(candidate.number) from error

    def _candidates(self) -> Candidates:
        self._known.update()
        return self._known

    def _running(self) -> list[FrozenTrial]:
        return self._candidates().in_state(TrialState.RUNNING)

    def _retry_lost(self) -> None:
        """Queue retries of trials whose worker's heartbeat stopped, or that has none: it died before it could claim its trial.

        In the run's own file the workers are processes of one machine, which are seen to be dead at once.
        """
        with quiet_optuna():
            fail_stale_trials(self._study)
        now = datetime.now()
        for trial in self._running():
            worker, age = trial.user_attrs.get(WORKER), now - (trial.datetime_start or now)
            is_unclaimed = worker is None and age > timedelta(seconds=_CLAIM_S)
            is_left = worker and self._has_own_storage and age > timedelta(seconds=_DEATH_S) and is_dead(worker)
            if is_unclaimed or is_left:
                retry_trial(self._study, trial)
