"""Optuna's storage."""

import os
import socket
import sqlite3
from typing import Any

from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

from scaler.errors import ScalerError

# Shorter ones were seen to take live workers for dead ones (optuna/optuna#5470).
HEARTBEAT_S, GRACE_S = 60, 300
RETRIES = 3  # of a candidate whose workers die; then it counts as failed


def open_storage(url: str) -> RDBStorage:
    of_file = {"connect_args": {"timeout": 60, "factory": _Connection}}
    arguments: dict[str, Any] = of_file if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        return RDBStorage(
            url,
            engine_kwargs=arguments,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RETRIES),
        )
    except Exception as error:  # SQLAlchemy's and each driver's own
        reason = str(error).strip().splitlines()[0]
        raise ScalerError(
            f"the storage {url} cannot be opened ({reason}): name a database that runs, such as sqlite:///f.db"
        ) from error


class _Connection(sqlite3.Connection):
    """SQLite with a write-ahead log: a trial's twenty parameters took a quarter of a second to be synced one by one.

    Nothing is lost when a process is killed; after a power failure the last trials may be open again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def worker_name(process: int) -> str:
    return f"{socket.gethostname()}:{process}"


def is_alive(worker: str) -> bool:
    """Whether another process of this machine called so runs."""
    host, _, process = worker.rpartition(":")
    if host != socket.gethostname() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, who took the number over
        return False
    return True
