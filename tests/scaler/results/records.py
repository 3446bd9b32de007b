"""Records for tests, made from the ledger's columns."""

from typing import Any

from scaler.results.ledger import Record


def changed(record: Record, **columns: Any) -> Record:
    """Return ``record`` with other values in some columns."""
    return Record.of_row({**record.row(), **columns})
