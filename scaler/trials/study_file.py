"""The check of a run's own study file: SQLite keeps no checksums, so that each scored trial keeps a digest of its content."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from xxhash import xxh3_64_hexdigest

from scaler.json_files import set_aside
from scaler.trials.attributes import DIGEST, NOTES, RECORD
from scaler.trials.storage import open_storage, quiet_optuna, sqlite_url

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def trial_digest(trial: FrozenTrial, score: float | None) -> str:
    """Return the digest of what strategies, pruners and the ledger read of a trial; ``score`` is None for a pruned one."""
    facts: Sequence[Any] = (
        trial.number,
        trial.params,
        trial.user_attrs.get(NOTES),
        trial.user_attrs.get(RECORD),
        sorted(trial.intermediate_values.items()),
        score,
    )
    return xxh3_64_hexdigest(json.dumps(facts, sort_keys=True).encode())


def set_damaged_study_aside(path: Path, name: str) -> str:
    """Rename the study file at ``path``, and what SQLite keeps beside it, if it is damaged.

    Returns:
        The fault and the new name, in words; empty if the file is whole or does not exist.
    """
    fault = _fault(path, name) if path.exists() else ""
    if not fault:
        return ""
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    for other in filter(Path.exists, beside):
        set_aside(other)
    return f"{path} is damaged ({fault}), and was set aside as {set_aside(path).name}"


def _fault(path: Path, name: str) -> str:
    """Return the fault of a study file in words; empty if it has none."""
    try:
        return _fault_of_file(path) or _fault_of_trials(path, name)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _LOCKED:
            return ""
        return str(error)
    except Exception as error:  # a changed cell reaches JSON, SQLAlchemy's types and Optuna's own checks
        return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _fault_of_file(path: Path) -> str:
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return "" if found == "ok" else str(found)


@quiet_optuna()
def _fault_of_trials(path: Path, name: str) -> str:
    storage = open_storage(sqlite_url(path))
    try:
        trials = optuna.load_study(storage=storage, study_name=name).get_trials(deepcopy=False)
    finally:
        storage.engine.dispose()
    for trial in trials:
        score = trial.value if trial.state == TrialState.COMPLETE else None
        if trial.user_attrs.get(DIGEST) not in (None, trial_digest(trial, score)):
            return f"trial {trial.number} does not match its digest"
    return ""
