"""Optuna's study of a made-up search, written without training."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from scaler.trials.attributes import ERROR, RECORD, WORKER
from scaler.trials.storage import open_storage, quiet_optuna, sqlite_url

MINUTE = timedelta(minutes=1)


def write_study(run: Path, trials: Iterable[FrozenTrial]) -> None:
    """Write ``study.db`` into the folder of a run."""
    storage = open_storage(sqlite_url(run / "study.db"))
    with quiet_optuna():
        study = optuna.create_study(storage=storage, study_name="search", direction="maximize")
        for one in trials:
            study.add_trial(one)


def finished(number: int, end: datetime, top1: float = 50.0) -> FrozenTrial:
    """Return a trial that ended with a score at ``end``."""
    return _trial(number, TrialState.COMPLETE, end - MINUTE, end, top1, {RECORD: {"name": f"trial-{number:04d}"}})


def failed(number: int, end: datetime, error: str) -> FrozenTrial:
    return _trial(number, TrialState.FAIL, end - MINUTE, end, None, {ERROR: error} if error else {})


def running(number: int, start: datetime, worker: str) -> FrozenTrial:
    return _trial(number, TrialState.RUNNING, start, None, None, {WORKER: worker})


def _trial(
    number: int, state: TrialState, start: datetime, end: datetime | None, value: float | None, attributes: dict[str, Any]
) -> FrozenTrial:
    return FrozenTrial(
        number=number, trial_id=number, state=state, value=value, datetime_start=start, datetime_complete=end, params={},
        distributions={}, user_attrs=attributes, system_attrs={}, intermediate_values={},
    )  # fmt: skip
