"""The counts of timm's networks, kept in a SQLite file of the user's cache folder.

A count that cannot be kept or read is counted again: no error of the file or its folder reaches the caller.
"""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scaler.cost.operators import Cost
from scaler.errors import ScalerError
from scaler.files import cache_folder

_TABLE = "CREATE TABLE IF NOT EXISTS networks (key TEXT PRIMARY KEY, flops INTEGER, params INTEGER, failure TEXT)"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The ``reason`` for which a network is not counted: timm does not build it, or it does not run."""

    reason: str


Count = Cost | Failure


class CountCache:
    """An open cache of counts; a context manager that closes it."""

    def __init__(self) -> None:
        self._connection = _connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def get(self, key: str) -> Count | None:
        """Return the count kept under ``key``, None if there is none."""
        row = None
        with suppress(sqlite3.Error):
            row = self._connection.execute("SELECT flops, params, failure FROM networks WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        flops, params, failure = row
        return Cost(flops, params) if failure is None else Failure(reason=failure)

    def put(self, key: str, count: Count) -> None:
        """Keep ``count`` under ``key``, in place of what was there."""
        row = (None, None, count.reason) if isinstance(count, Failure) else (*count, None)
        with suppress(sqlite3.Error):
            self._connection.execute("INSERT OR REPLACE INTO networks VALUES (?, ?, ?, ?)", (key, *row))
            self._connection.commit()


def _connect() -> sqlite3.Connection:
    """Open the user's file, or a database in memory where that cannot be."""
    with suppress(ScalerError, OSError, RuntimeError, sqlite3.Error):  # RuntimeError: the user has no home folder
        return _with_table(sqlite3.connect(cache_folder() / "counts.db"))
    return _with_table(sqlite3.connect(":memory:"))


def _with_table(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute(_TABLE)
    return connection
