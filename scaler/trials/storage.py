"""Optuna's storages: opening one, and the parts of Optuna that have no public name. No other module uses its private names.

Ask-and-tell studies need some of what `optuna.Study.optimize` does by itself: heartbeats, and access to a trial as it is stored.
"""

import os
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import optuna
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.samplers import PartialFixedSampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from scaler.errors import ScalerError

# Shorter ones were seen to take live workers for dead ones (optuna/optuna#5470).
HEARTBEAT_S, GRACE_S = 60, 300
RETRIES = 3  # of a candidate whose workers die; then it counts as failed

_settings_lock = RLock()


def open_storage(url: str) -> RDBStorage:
    """Open the database at ``url``, with heartbeats that have trials of dead workers retried.

    Raises:
        ScalerError: it cannot be opened.
    """
    is_sqlite = url.startswith("sqlite")
    shown = without_password(url)
    if is_sqlite and _is_in_memory(url):
        raise ScalerError(f"the storage {shown} would end with this process: name a file, such as sqlite:///f.db")
    try:
        with quiet_optuna():
            storage = RDBStorage(
                url,
                engine_kwargs={"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_S,
                grace_period=GRACE_S,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RETRIES),
            )
    except Exception as error:  # SQLAlchemy's and each driver's own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].replace(url, shown)
        raise ScalerError(
            f"the storage {shown} cannot be opened ({reason}): name a database that runs, such as sqlite:///f.db"
        ) from error
    if is_sqlite:
        event.listen(storage.engine, "connect", _use_write_ahead_log)
        storage.engine.dispose()  # connections that were opened before the listener
    return storage


@contextmanager
def storage_errors() -> Iterator[None]:
    """Tell in one line that a storage fails while the block runs, as on a full disk or when its server ends.

    Raises:
        ScalerError: if it does.
    """
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = getattr(error.__cause__ or error, "orig", None) or error.__cause__ or error
        line = (str(reason).strip().splitlines() or [type(reason).__name__])[0]
        raise ScalerError(
            f"the search's storage fails ({line}): make room or start its server, and the same command continues"
        ) from error


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite database in ``path``, whatever characters its name has."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def without_password(url: str) -> str:
    """Return ``url`` with stars in place of its password, for messages and files."""
    try:
        found = make_url(url)
        hidden = {name: "***" for name in found.query if "password" in name.lower()}
        return found.update_query_dict(hidden).render_as_string(hide_password=True)
    except ArgumentError:
        return f"{url.partition(':')[0]}:..."


def _is_in_memory(url: str) -> bool:
    try:
        found = make_url(url)
    except ArgumentError:
        return False
    return found.database in (None, "", ":memory:") or found.query.get("mode") == "memory"


def _use_write_ahead_log(connection: Any, _record: object) -> None:
    """Set SQLite's write-ahead log: a trial's twenty parameters took a quarter of a second to be synced one by one.

    Nothing is lost when a process is killed; after a power failure the last trials may be open again.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Hide Optuna's log below warnings, and its warnings on experimental features, ask-and-tell and repeated reports.

    The user's own settings, which are global, are restored at the end. One thread at a time is inside.
    """
    with _settings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # `heartbeat` sends them
        warnings.filterwarnings("ignore", message="The reported value is ignored")  # a resumed training's first rungs
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
        try:
            yield
        finally:
            optuna.logging.set_verbosity(verbosity)


def study_key(study: Study) -> tuple[object, int]:
    """Return the storage and the study's number in it, which together tell studies of one name apart."""
    return study._storage, study._study_id


def all_trials(study: Study) -> Sequence[FrozenTrial]:
    """Return all trials of the study by number, also where a pruner shows the sampler a part of them."""
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def stored_trial(study: Study, trial: Trial | FrozenTrial) -> FrozenTrial:
    """Return ``trial`` as it is stored now; attributes of the object at hand may be older."""
    return study._storage.get_trial(trial._trial_id)


def set_user_attr(study: Study, trial: Trial | FrozenTrial, key: str, value: Any) -> None:
    """Store an attribute of a trial that a sampler is asked about, where `Trial.set_user_attr` is out of reach."""
    study._storage.set_trial_user_attr(trial._trial_id, key, value)


def set_state(study: Study, trial: FrozenTrial, state: TrialState) -> bool:
    """Store a trial's state; false if another process has finished the trial."""
    try:
        return study._storage.set_trial_state_values(trial._trial_id, state)
    except optuna.exceptions.UpdateFinishedTrialError:
        return False


def retry_trial(study: Study, trial: FrozenTrial) -> None:
    """Fail a running trial and queue its parameters again, unless another process has done so."""
    if set_state(study, trial, TrialState.FAIL):
        with quiet_optuna():
            RetryHeartbeatStaleTrialCallback(RETRIES)(study, trial)


def first_number(trial: FrozenTrial) -> int:
    """Return the number of the trial that ``trial`` retries, or its own."""
    with quiet_optuna():
        number = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if number is None else number


@contextmanager
def heartbeat(study: Study, trial: Trial | FrozenTrial) -> Iterator[None]:
    """Send heartbeats of ``trial`` while the block runs; ask-and-tell has no public way to them."""
    with get_heartbeat_thread(trial._trial_id, study._storage):
        yield


def stale_trials(study: Study) -> set[int]:
    """Return the numbers of the running trials whose heartbeat stopped."""
    storage = study._storage
    ids = storage._get_stale_trial_ids(study._study_id) if isinstance(storage, RDBStorage) else []
    return {storage.get_trial(trial_id).number for trial_id in ids}


def enqueued_parameters(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return the parameters that were given to `Study.enqueue_trial`; empty for other trials."""
    found: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
    return found


def partially_fixed_parameters(study: Study) -> Mapping[str, Any]:
    """Return the parameters that the study's `PartialFixedSampler` fixes; empty for studies of other samplers."""
    found: Mapping[str, Any] = study.sampler._fixed_params if isinstance(study.sampler, PartialFixedSampler) else {}
    return found


def worker_name(process: int) -> str:
    """Return the name of a process of this machine, which no other machine's processes have."""
    return f"{this_host()}:{process}"


def this_host() -> str:
    """Return the name of this machine, as the names of its workers begin with it."""
    return socket.gethostname()


def is_alive(worker: str) -> bool:
    """Return whether ``worker`` (see `worker_name`) is another running process of this machine."""
    host, _, process = worker.rpartition(":")
    return host == this_host() and int(process) != os.getpid() and _runs(int(process))


def is_dead(worker: str) -> bool:
    """Return whether ``worker`` (see `worker_name`) was a process of this machine and runs no longer."""
    host, _, process = worker.rpartition(":")
    return host == this_host() and not _runs(int(process))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, who took the number over
        return False
    return True
