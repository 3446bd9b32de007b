"""The ledger of a run: an append-only CSV file that pandas reads, with one row for each finished evaluation.

A row is written with one call and synced, so a killed process leaves at most one torn last line. Readers skip it, and the next
process that appends cuts it off. Each row ends with a digest of its other cells, so that a changed one is found when it is read.
Ledgers without that column are read too.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xxhash import xxh3_64_hexdigest

from scaler.errors import DamagedFileError
from scaler.files import write_text
from scaler.json_files import set_aside
from scaler.results.score import Metrics, Score

# The ledger's columns in their order, and the type of each.
_TYPES: dict[str, Callable[[str], Any]] = {
    "role": str,
    "trial": int,
    "budget": str,
    "name": str,
    "family": str,
    "flops": int,
    "params": int,
    "resolution": int,
    "top1": float,
    "top5": float,
    "loss": float,
    "split": str,
    "images": int,
    "epochs": float,
    "seconds": float,
    "seed": int,
    "start": str,
    "recipe": str,
    "data": str,
    "arch": str,
    "origin": str,
    "train_flops": int,
}
COLUMNS = tuple(_TYPES)
DIGEST = "digest"  # the last column of the file, which is no value of a record
_WRITTEN = (*COLUMNS, DIGEST)
_REMEDY = "restore it, or delete the line"
_OF_SCORE = frozenset(field.name for field in (*fields(Metrics), *fields(Score)))
_PRUNED = "pruned"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One evaluated model.

    Attributes:
        role: ``"seed"`` (the large model itself), ``"trial"`` (a candidate of the search), ``"pruned"`` (a candidate whose
            training was stopped early) or ``"finalist"`` (one of the best, trained again from another seed); of a model that
            was trained in full, its variant's role: ``"chosen"``, ``"baseline"``, ``"seed"`` or ``"variant"``.
        trial: the candidate's number in the study; -1 for the seed and for a model trained in full.
        origin: the source of the candidate: ``"surrogate"``, ``"random"``, ``"uniform scaling"``, a published model's name, or
            empty.
        budget: the text of the budget that the candidate was drawn for; empty for the seed.
        name: of the variant, and of its folder.
        family: of the architecture.
        arch: the architecture as JSON.
        score: its ``pruned`` is True exactly for the role ``"pruned"``.
        data: the data set's name.
        recipe: the training recipe's name.
    """

    role: str
    trial: int
    budget: str
    name: str
    family: str
    flops: int
    params: int
    resolution: int
    score: Score
    seed: int
    recipe: str
    data: str
    arch: str
    origin: str = ""

    @property
    def quantities(self) -> dict[str, int]:
        """The quantities that budgets bound."""
        return {"flops": self.flops, "params": self.params, "resolution": self.resolution}

    @property
    def top1(self) -> float:
        return self.score.metrics.top1

    @property
    def loss(self) -> float:
        return self.score.metrics.loss

    @property
    def images(self) -> int:
        return self.score.metrics.images

    @property
    def split(self) -> str:
        return self.score.split

    @property
    def epochs(self) -> float:
        return self.score.epochs

    @property
    def seconds(self) -> float:
        return self.score.seconds

    @property
    def start(self) -> str:
        return self.score.start

    def row(self) -> dict[str, Any]:
        """Return the value of every column of the ledger, in their order."""
        values = {**vars(self), **self.score.row()}
        return {name: values[name] for name in COLUMNS}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Record":
        """Return the record whose `row` is ``row``. Columns with a default may be missing.

        Raises:
            TypeError: if another column is missing, or one is unknown.
        """
        score = Score.of_row({name: value for name, value in row.items() if name in _OF_SCORE})
        others = {name: value for name, value in row.items() if name not in _OF_SCORE}
        return cls(score=replace(score, pruned=row.get("role") == _PRUNED), **others)


class Ledger:
    """The ledger at ``path``, as it was when first read and with the rows that were appended here since.

    The file is read once, and made by the first `append`. One `Ledger` at a time writes a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends_whole = False  # whether the file is known to end with a whole line

    def append(self, record: Record) -> None:
        """Add one row, durably; the first cuts off a torn last line."""
        columns, rows = self._content
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as handle:
            if not self._ends_whole:
                handle.truncate(len(_whole_lines(self.path)))
            self._ends_whole = False  # until this row is on the disk
            row = _row(record, columns)
            handle.write((row if handle.seek(0, os.SEEK_END) else _line(columns) + row).encode())
            handle.flush()
            os.fsync(handle.fileno())
        self._ends_whole = True
        rows.append(_record(record.row()))

    def __iter__(self) -> Iterator[Record]:
        return iter(self._content[1])

    def replace(self, records: Iterable[Record]) -> None:
        """Write the file again with ``records`` alone, whole or not at all."""
        kept = [_record(record.row()) for record in records]
        write_text(self.path, _line(_WRITTEN) + "".join(_row(record, _WRITTEN) for record in kept))
        self._content, self._ends_whole = (_WRITTEN, kept), True

    @property
    def is_torn(self) -> bool:
        """True if the last line is not whole, and is not read: its process was killed, or the file was cut."""
        return self.path.exists() and len(_whole_lines(self.path)) < self.path.stat().st_size

    def mend(self) -> str:
        """Set the file aside if it is damaged, and write its intact rows again.

        Returns:
            The fault and the new name, in words; empty if the file is whole.
        """
        try:
            _ = self._content
        except DamagedFileError as error:
            kept, aside = self.intact(), set_aside(self.path)
            self.replace(kept)
            return f"{error.fault}, and was set aside as {aside.name}"
        return ""

    def intact(self) -> list[Record]:
        """Return the rows of a damaged file that match their digests."""
        found = []
        for line in _whole_lines(self.path).decode(errors="replace").splitlines():
            with suppress(DamagedFileError):
                found += _read(self.path, _line(_WRITTEN) + line + "\n")[1]
        return found

    @cached_property
    def _content(self) -> tuple[Sequence[str], list[Record]]:
        """The columns of the file, which may be fewer than those of today, and its rows."""
        return _read(self.path, _text(self.path)) if self.path.exists() else (_WRITTEN, [])


def same(one: Record, other: Record) -> bool:
    """Return True if both records are written as the same row."""
    return _row(_record(one.row()), COLUMNS) == _row(_record(other.row()), COLUMNS)


def _whole_lines(path: Path) -> bytes:
    """The file without a torn last line."""
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def _text(path: Path) -> str:
    try:
        return _whole_lines(path).decode()
    except UnicodeDecodeError as error:
        raise DamagedFileError(path, str(error), _REMEDY) from error


def _read(path: Path, text: str) -> tuple[Sequence[str], list[Record]]:
    """Return the columns and the records in ``text``, which was read from ``path``.

    Raises:
        DamagedFileError: if a row has other columns or types, or does not match its digest; the message names the line.
    """
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[Record] = []
    try:
        names = next(lines, list(_WRITTEN))
        if unknown := set(names) - {*COLUMNS, DIGEST}:
            raise ValueError(f"unknown columns {', '.join(sorted(unknown))}")
        for cells in lines:
            row = dict(zip(names, cells, strict=True))
            if row.pop(DIGEST, None) not in (None, _digest(row.values())):
                raise ValueError("the row does not match its digest")
            found.append(_record(row))
    except (csv.Error, ValueError, TypeError) as error:
        raise DamagedFileError(path, f"line {lines.line_num}: {error}", _REMEDY) from error
    return names, found


def _row(record: Record, columns: Sequence[str]) -> str:
    row = record.row()
    cells = [str(row[name]) for name in columns if name != DIGEST]
    return _line([*cells, _digest(cells)] if DIGEST in columns else cells)


def _digest(cells: Iterable[str]) -> str:
    return xxh3_64_hexdigest(_line(cells).encode())


def _record(row: Mapping[str, Any]) -> Record:
    """Return a row's record, each value of its column's type: 1 epoch is read back as 1.0."""
    return Record.of_row({name: kind(row[name]) for name, kind in _TYPES.items() if name in row})


def _line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
