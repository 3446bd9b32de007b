"""A search as it is at this moment, from its folder and its study."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from experiments.report.answers import UNIFORM
from experiments.report.runs import Run, read_run
from scaler.errors import ScalerError
from scaler.results.intervals import wilson
from scaler.trials.activity import Activity, read_activity
from scaler.trials.storage import sqlite_url

_STUDY = "study.db"
_FAILURES = 3  # that are shown, the last ones


@dataclass(frozen=True, kw_only=True)
class BestSoFar:
    """The most accurate trial under one budget; ``uniform`` is the held-out top-1 of uniform scaling, None if not scored."""

    budget: str
    name: str
    flops: int
    params: int
    top1: float
    low: float
    high: float
    uniform: float | None


@dataclass(frozen=True, kw_only=True)
class InTraining:
    """A candidate in training, its worker, and the seconds since it began."""

    number: int
    worker: str
    seconds: float
    is_alive: bool


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a search.

    Attributes:
        wanted: candidates to train; None if the request does not say.
        best: one for each budget that a trial meets.
        per_hour: candidates, and ``seconds_left`` at that pace; None if not known yet.
        is_finished: all candidates are trained and the choices are made.
        remark: on what could not be read; empty if all was.
    """

    run: str
    seed_model: str
    data: str
    strategy: str
    finished: int
    wanted: int | None
    best: tuple[BestSoFar, ...]
    training: tuple[InTraining, ...]
    per_hour: float | None
    seconds_left: float | None
    failures: tuple[str, ...]
    is_finished: bool
    remark: str = ""


def read_snapshot(path: Path, storage: str | None = None) -> Snapshot:
    """Read the search in ``path``.

    Args:
        path: the folder of the search.
        storage: the URL of its Optuna storage, where its record hides a password.

    Raises:
        ScalerError: if the folder holds no search, or ``storage`` cannot be opened.
    """
    run = read_run(path, may_be_empty=True)
    if not run.is_search:
        raise ScalerError(f"{path} holds no search: give the folder that `scaler search --out` names")
    activity, remark = _activity(run, storage)
    finished, wanted = activity.finished if activity else len(_trials(run)), run.request.get("trials")
    pace = activity.per_hour if activity else None
    left = max(0, wanted - finished) if isinstance(wanted, int) else None
    return Snapshot(
        run=str(path),
        seed_model=str(run.request.get("seed_model", "")),
        data=str(run.request.get("data", "")),
        strategy=str(run.request.get("strategy", "")),
        finished=finished,
        wanted=wanted,
        best=tuple(_best(run)),
        training=tuple(_training(activity)) if activity else (),
        per_hour=pace,
        seconds_left=3600 * left / pace if pace and left is not None else None,
        failures=tuple(f"trial {number}: {reason}" for number, reason in activity.failures[-_FAILURES:]) if activity else (),
        is_finished=bool(run.result) and not left,
        remark=remark,
    )


def _activity(run: Run, storage: str | None) -> tuple[Activity | None, str]:
    """Return the activity of a run's study, or None and the reason."""
    given = storage or run.request.get("storage")
    url, name = (str(given), run.path.resolve().name) if given else (sqlite_url(run.path / _STUDY), "search")
    if not given and not (run.path / _STUDY).is_file():
        return None, f"{_STUDY} is not there: workers and pace are not known"
    try:
        with suppress(KeyError):
            return read_activity(url, name), ""
    except ScalerError:
        if storage:
            raise
        return None, "the study cannot be opened: name it with --storage to see workers and pace"
    return None, f"the storage holds no study {name}"


def _trials(run: Run) -> list[int]:
    return [record.trial for record in run.records if record.role in ("trial", "pruned")]


def _best(run: Run) -> Iterator[BestSoFar]:
    for budget in run.budgets:
        fitting = [record for record in run.records if record.role == "trial" and budget.admits(record.quantities)]
        if fitting:
            best = max(fitting, key=lambda record: record.top1)
            low, high = wilson(best.top1, best.images)
            uniform = max((record.top1 for record in fitting if record.origin == UNIFORM), default=None)
            yield BestSoFar(
                budget=budget.text, name=best.name, flops=best.flops, params=best.params, top1=best.top1, low=low, high=high,
                uniform=uniform,
            )  # fmt: skip


def _training(activity: Activity) -> Iterator[InTraining]:
    now = datetime.now()
    for one in activity.running:
        seconds = (now - one.since).total_seconds() if one.since else 0.0
        yield InTraining(number=one.number, worker=one.worker, seconds=seconds, is_alive=one.is_alive)
