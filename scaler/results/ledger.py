"""The ledger: one row for each finished evaluation, append-only, a CSV that pandas reads.

A row is written with one call and synced, so a killed process leaves at most one torn last line. Readers skip it, and the next
process that appends cuts it off.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Record:
    """One evaluated model.

    Attributes:
        role: ``"seed"`` (the large model itself), ``"trial"`` (a candidate of the search), ``"pruned"`` (one that was stopped
            after ``epochs``), ``"finalist"`` (one of the best, trained again from another seed) or ``"chosen"`` (trained in
            full).
        trial: the candidate's number in the study; -1 for the seed and for what is trained in full.
        origin: what proposed it: ``"surrogate"``, ``"random"``, ``"uniform scaling"``, a published model's name; else empty.
        budget: the budget that the candidate was drawn for, as text; empty for the seed.
        name: the variant's name, also its folder's.
        family: of the architecture; ``arch`` is its JSON.
        start: how the weights began, ``"random"`` here.
        top1: in percent, and ``top5``, both of ``split``, which held ``images`` images; ``loss`` is cross-entropy.
        epochs: of training behind the score, not always whole; ``seconds`` of wall time they took, evaluation included.
        train_flops: of the forward passes of all training images, each at the resolution at which it was seen.
        data: the data set's name; ``recipe``: the training recipe's name.
    """

    role: str
    trial: int
    budget: str
    name: str
    family: str
    flops: int
    params: int
    resolution: int
    top1: float
    top5: float
    loss: float
    split: str
    images: int
    epochs: float
    seconds: float
    seed: int
    start: str
    recipe: str
    data: str
    arch: str
    origin: str = ""
    train_flops: int = 0

    @property
    def quantities(self) -> dict[str, int]:
        """The record's values that budgets bound."""
        return {"flops": self.flops, "params": self.params, "resolution": self.resolution}


COLUMNS = tuple(field.name for field in fields(Record))
_TYPES = {name: get_type_hints(Record)[name] for name in COLUMNS}


class Ledger:
    """The ledger at ``path``, as it was when first read and with the rows that were appended here since.

    The file is read once, and made by the first `append`. One `Ledger` at a time writes a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends_whole = False  # whether the file is known to end with a whole line

    def append(self, record: Record) -> None:
        """Add one row, durably; the first cuts off a torn last line."""
        rows = self._rows
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as handle:
            if not self._ends_whole:
                handle.truncate(len(_whole_lines(self.path)))
            self._ends_whole = False  # until this row is on the disk
            row = _line(asdict(record).values())
            handle.write((row if handle.seek(0, os.SEEK_END) else _line(COLUMNS) + row).encode())
            handle.flush()
            os.fsync(handle.fileno())
        self._ends_whole = True
        rows.append(_record(asdict(record)))

    def __iter__(self) -> Iterator[Record]:
        return iter(self._rows)

    @cached_property
    def _rows(self) -> list[Record]:
        if not self.path.exists():
            return []
        return [_record(row) for row in csv.DictReader(io.StringIO(_whole_lines(self.path).decode()))]


def _whole_lines(path: Path) -> bytes:
    """The file without a torn last line."""
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def _record(row: Mapping[str, Any]) -> Record:
    """A row's record, each value of its column's type: 1 epoch is read back as 1.0."""
    return Record(**{name: kind(row[name]) for name, kind in _TYPES.items() if name in row})


def _line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
