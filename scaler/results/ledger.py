"""The ledger: one row for each finished evaluation, append-only, a CSV that pandas reads.

A row is written with one call and synced, so a killed process leaves at most one torn last line, which is cut off by the next
append and skipped by readers.
"""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import get_type_hints


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
        """What budgets bound."""
        return {"flops": self.flops, "params": self.params, "resolution": self.resolution}


COLUMNS = tuple(field.name for field in fields(Record))


class Ledger:
    """The ledger at ``path``; the file is made by the first `append`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Record) -> None:
        """Add one row, durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as handle:
            end = _end_of_whole_lines(self.path)
            handle.truncate(end)
            row = _line(asdict(record).values())
            handle.write((row if end else _line(COLUMNS) + row).encode())
            handle.flush()
            os.fsync(handle.fileno())

    def __iter__(self) -> Iterator[Record]:
        if not self.path.exists():
            return
        types = get_type_hints(Record)
        whole = self.path.read_bytes()[: _end_of_whole_lines(self.path)].decode()
        for row in csv.DictReader(io.StringIO(whole)):
            yield Record(**{name: types[name](row[name]) for name in COLUMNS if name in row})


def _end_of_whole_lines(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _line(values: object) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)  # type: ignore[arg-type]
    return buffer.getvalue()
