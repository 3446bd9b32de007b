"""The activity of a search's study as another process sees it: workers, running candidates, pace and failures."""

from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from scaler.trials.attributes import ERROR, SURPLUS, WORKER
from scaler.trials.candidates import Candidates
from scaler.trials.storage import is_alive, open_storage, quiet_optuna, stale_trials, this_host

_PACE = 10  # finished candidates that the pace is taken from


@dataclass(frozen=True, kw_only=True)
class RunningCandidate:
    """A candidate in training.

    Attributes:
        worker: the process that trains it, as "host:number"; empty until it has claimed the candidate.
        is_alive: False if the process is gone, or its heartbeat stopped where it is on another machine.
    """

    number: int
    worker: str
    since: datetime | None
    is_alive: bool


@dataclass(frozen=True, kw_only=True)
class Activity:
    """The state of a study.

    Attributes:
        per_hour: finished candidates, over the last ones; None before the second.
        failures: the candidates that failed, and why, the last one at the end.
    """

    finished: int
    running: tuple[RunningCandidate, ...]
    per_hour: float | None
    failures: tuple[tuple[int, str], ...]


@quiet_optuna()
def read_activity(storage: str, study_name: str) -> Activity:
    """Read a study without changing it.

    Raises:
        ScalerError: if the storage cannot be opened.
        KeyError: if it holds no such study.
    """
    study = optuna.load_study(study_name=study_name, storage=open_storage(storage))
    known, stale = Candidates(study), stale_trials(study)
    known.update()
    trials = [trial for trial in study.get_trials(deepcopy=False) if SURPLUS not in trial.user_attrs]
    return Activity(
        finished=len(known.finished),
        running=tuple(_running(known, trial, stale) for trial in known.in_state(TrialState.RUNNING)),
        per_hour=_pace([t.datetime_complete for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]),
        failures=tuple((known.number(trial), _reason(trial)) for trial in trials if trial.state == TrialState.FAIL),
    )


def _running(known: Candidates, trial: FrozenTrial, stale: set[int]) -> RunningCandidate:
    worker = trial.user_attrs.get(WORKER, "")
    is_here = worker.rpartition(":")[0] == this_host()
    lives = is_alive(worker) if is_here else trial.number not in stale
    return RunningCandidate(number=known.number(trial), worker=worker, since=trial.datetime_start, is_alive=lives)


def _pace(ends: list[datetime | None]) -> float | None:
    """Return finished candidates per hour, over the last ones."""
    last = sorted(end for end in ends if end is not None)[-_PACE:]
    seconds = (last[-1] - last[0]).total_seconds() if len(last) > 1 else 0.0
    return 3600 * (len(last) - 1) / seconds if seconds > 0 else None


def _reason(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get(ERROR, "its worker died; it is tried again"))
