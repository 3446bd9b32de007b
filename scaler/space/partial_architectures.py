"""Partial architectures and their costs, joined segment by segment.

Each row stands for one way, or for ``weight`` ways of the same cost, to choose the variables of the segments joined so far.
Rows remember where they came from, so that any of the ways can be read back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Floats, Ints
from scaler.space.mixed_radix import decode, encode
from scaler.space.segment_tables import SegmentTable

# Rows of equal cost are merged only in tables up to this size. Merging pays where segments repeat (the layers of a DeiT) and
# then keeps tables small from the start; elsewhere it would sort millions of rows to find next to no equal ones.
_MERGE_UP_TO = 1 << 19


@dataclass(frozen=True)
class JoinStep:
    """How rows came from the rows before: row ``members[i]`` is (combination of the fresh variables) x (row before)."""

    before: "Rows"
    fresh: Mapping[str, int]
    members: Ints
    # Where members of one merged row lie: row r holds members[first[r]:first[r + 1]], each of `running` weight so far.
    first: Ints | None = None
    running: Ints | None = None


@dataclass(frozen=True)
class Rows:
    """Partial architectures. All arrays have shape (rows,).

    Attributes:
        live: the variables that segments still to come will read, with their sizes.
        code: the rows' choices of the live variables, in mixed radix.
        flops, params: cost so far.
        weight: how many ways each row stands for; None for one each.
        score: score so far, where one is sought; each row then stands for its best way alone.
    """

    live: Mapping[str, int]
    code: Ints
    flops: Ints
    params: Ints
    weight: Ints | None = None
    score: Floats | None = None
    step: JoinStep | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.code)

    def weights(self) -> Ints:
        return np.ones(len(self), np.int64) if self.weight is None else self.weight

    def only(self, kept: Ints) -> "Rows":
        """The rows numbered ``kept``, of rows that stand for one way each."""
        step = self.step and replace(self.step, members=self.step.members[kept])
        score = None if self.score is None else self.score[kept]
        return Rows(self.live, self.code[kept], self.flops[kept], self.params[kept], score=score, step=step)

    def digits(self) -> dict[str, Ints]:
        """Each row's choice of each live variable."""
        return decode(self.code, self.live)


def start() -> Rows:
    """The one row of no choices."""
    zero = np.zeros(1, np.int64)
    return Rows({}, zero, zero, zero)


def join(rows: Rows, table: SegmentTable, keep: Sequence[str]) -> Rows:
    """Choose the variables that ``table`` brings and add its cost; variables in ``keep`` stay live, in that order."""
    fresh = {name: size for name, size in table.sizes.items() if name not in rows.live}
    combinations = np.arange(prod(fresh.values()))
    old, new = rows.digits(), decode(combinations, fresh)
    sizes = {**rows.live, **fresh}
    live = {name: sizes[name] for name in keep if name in sizes}

    def grid(sizes: Mapping[str, int]) -> Ints:
        return np.add.outer(encode(new, sizes, len(combinations)), encode(old, sizes, len(rows)))

    # Of shape (combinations, rows), so that rows of equal live choices come mostly together.
    cell = grid(table.sizes)
    buildable = table.buildable[cell]
    chosen = np.ravel if buildable.all() else lambda values: values[buildable]  # without a mask in half the time
    joined = Rows(
        live,
        chosen(grid(live)),
        chosen(rows.flops + table.flops[cell]),
        chosen(rows.params + table.params[cell]),
        None if rows.weight is None else chosen(np.broadcast_to(rows.weight, cell.shape)),
        None if table.score is None else chosen(table.score[cell] + (0 if rows.score is None else rows.score)),
        JoinStep(rows, fresh, np.flatnonzero(buildable)),
    )
    return _merged(joined) if len(joined) <= _MERGE_UP_TO else joined


def unrank(rows: Rows, row: Ints, rank: Ints) -> dict[str, Ints]:
    """Read back way number ``rank`` (under the row's weight) of each ``row``: the choice of every variable."""
    found: dict[str, Ints] = {}
    while rows.step is not None:
        step = rows.step
        if step.first is None or step.running is None:
            member = row
        else:
            target = step.running[step.first[row]] + rank
            member = np.searchsorted(step.running, target, side="right") - 1
            rank = target - step.running[member]
        combination, row = np.divmod(step.members[member], len(step.before))
        found |= decode(combination, step.fresh)
        rows = step.before
    return found


def used_choices(rows: Rows, used: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """For every variable, which of its choices occur in some way of the rows that ``used`` marks."""
    found: dict[str, NDArray[np.bool_]] = {}
    while rows.step is not None:
        step = rows.step
        marked = used if step.first is None else np.repeat(used, np.diff(step.first))
        combination, row = np.divmod(step.members[marked], len(step.before))
        for name, digit in decode(combination, step.fresh).items():
            found[name] = np.bincount(digit, minlength=step.fresh[name]) > 0
        used = np.zeros(len(step.before), np.bool_)
        used[row] = True
        rows = step.before
    return found


def _merged(rows: Rows) -> Rows:
    """Rows of equal code and cost as one, unless almost all differ."""
    best_first = [] if rows.score is None else [-rows.score]
    order = np.lexsort((*best_first, rows.params, rows.flops, rows.code))
    ordered = np.stack((rows.code[order], rows.flops[order], rows.params[order]))
    is_first = np.concatenate([[True], np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)]) if len(rows) else np.zeros(0, bool)
    if rows.step is None or is_first.sum() > 0.8 * len(rows):
        return rows
    if rows.score is not None:
        return rows.only(order[is_first])
    running = np.concatenate([[0], np.cumsum(rows.weights()[order])])
    first = np.flatnonzero(np.concatenate([is_first, [True]]))
    code, flops, params = ordered[:, is_first]
    step = JoinStep(rows.step.before, rows.step.fresh, rows.step.members[order], first, running)
    return Rows(rows.live, code, flops, params, np.diff(running[first]), step=step)
