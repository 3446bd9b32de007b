"""Partial architectures and their costs, extended segment by segment.

A row stands for one combination of choices of the segments so far, or for several of the same cost, which are told apart by their
rank. Rows remember the rows that they extend, so that every combination can be read back.
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
    """The origin of rows: the earlier rows that they extend, and the choices of the variables that a segment brought.

    Attributes:
        before: the earlier rows.
        new: the variables that the segment brought, with their sizes.
        members: shape (members,), indices into the flat grid (combinations of ``new``) x (rows of ``before``).
        starts: shape (rows + 1,), row r stands for members[starts[r]:starts[r + 1]]; None if each stands for one.
        cumulative: shape (members + 1,), the multiplicity of all members before each one; None if ``starts`` is.
    """

    before: "Rows"
    new: Mapping[str, int]
    members: Ints
    starts: Ints | None = None
    cumulative: Ints | None = None


@dataclass(frozen=True)
class Rows:
    """Partial architectures. All arrays have shape (rows,).

    Attributes:
        live: the variables that other segments will read, with their sizes.
        code: the rows' choices of the live variables, in mixed radix.
        flops, params: cost so far; see `SegmentTable`.
        multiplicity: the number of combinations that each row stands for; None for one each.
        score: score so far, if one is asked for; each row then stands for its best combination alone.
        step: the rows' origin; None for the row of no choices.
    """

    live: Mapping[str, int]
    code: Ints
    flops: Ints
    params: Ints
    multiplicity: Ints | None = None
    score: Floats | None = None
    step: JoinStep | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.code)

    def take(self, rows: Ints) -> "Rows":
        """Return the rows at indices ``rows``; each must stand for one combination."""
        step = self.step and replace(self.step, members=self.step.members[rows])
        score = None if self.score is None else self.score[rows]
        return Rows(self.live, self.code[rows], self.flops[rows], self.params[rows], score=score, step=step)


def no_choices() -> Rows:
    """Return the one row of no segments."""
    zero = np.zeros(1, np.int64)
    return Rows({}, zero, zero, zero)


def extend(rows: Rows, table: SegmentTable, keep: Sequence[str]) -> Rows:
    """Return ``rows`` extended by a segment, in every buildable combination.

    Args:
        table: the segment's costs.
        keep: the variables that stay live, in the order of the new rows' code.
    """
    new = {name: size for name, size in table.sizes.items() if name not in rows.live}
    combinations = np.arange(prod(new.values()))
    old_choices, new_choices = decode(rows.code, rows.live), decode(combinations, new)
    sizes = {**rows.live, **new}
    live = {name: sizes[name] for name in keep if name in sizes}

    def codes(sizes: Mapping[str, int]) -> Ints:
        return np.add.outer(encode(new_choices, sizes, len(combinations)), encode(old_choices, sizes, len(rows)))

    # Of shape (combinations, rows), so that rows of equal live choices come mostly together.
    cell = codes(table.sizes)
    buildable = table.buildable[cell]
    flat = np.ravel if buildable.all() else lambda grid: grid[buildable]  # without a mask in half the time
    extended = Rows(
        live,
        flat(codes(live)),
        flat(rows.flops + table.flops[cell]),
        flat(rows.params + table.params[cell]),
        None if rows.multiplicity is None else flat(np.broadcast_to(rows.multiplicity, cell.shape)),
        None if table.score is None else flat(table.score[cell] + (0 if rows.score is None else rows.score)),
        JoinStep(rows, new, np.flatnonzero(buildable)),
    )
    return _merge_equal(extended) if len(extended) <= _MERGE_UP_TO else extended


def unrank(rows: Rows, row: Ints, rank: Ints) -> dict[str, Ints]:
    """Return the choices of combination number ``rank`` (from 0) of each ``row``, by variable; all have shape (n,)."""
    found: dict[str, Ints] = {}
    while rows.step is not None:
        step = rows.step
        if step.starts is None or step.cumulative is None:
            member = row
        else:
            target = step.cumulative[step.starts[row]] + rank
            member = np.searchsorted(step.cumulative, target, side="right") - 1
            rank = target - step.cumulative[member]
        combination, row = np.divmod(step.members[member], len(step.before))
        found |= decode(combination, step.new)
        rows = step.before
    return found


def used_choices(rows: Rows, used: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return, by variable, which of its choices occur in some combination of the rows that ``used`` marks."""
    found: dict[str, NDArray[np.bool_]] = {}
    while rows.step is not None:
        step = rows.step
        used_members = used if step.starts is None else np.repeat(used, np.diff(step.starts))
        combination, row = np.divmod(step.members[used_members], len(step.before))
        for name, choice in decode(combination, step.new).items():
            found[name] = np.bincount(choice, minlength=step.new[name]) > 0
        used = np.zeros(len(step.before), np.bool_)
        used[row] = True
        rows = step.before
    return found


def _merge_equal(rows: Rows) -> Rows:
    """``rows`` with those of equal code and cost as one, unless almost all differ; of scored ones the best stays."""
    best_first = [] if rows.score is None else [-rows.score]
    order = np.lexsort((*best_first, rows.params, rows.flops, rows.code))
    ordered = np.stack((rows.code[order], rows.flops[order], rows.params[order]))
    is_first = np.concatenate([[True], np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)]) if len(rows) else np.zeros(0, bool)
    if rows.step is None or is_first.sum() > 0.8 * len(rows):
        return rows
    if rows.score is not None:
        return rows.take(order[is_first])
    multiplicity = np.ones(len(rows), np.int64) if rows.multiplicity is None else rows.multiplicity
    cumulative = np.concatenate([[0], np.cumsum(multiplicity[order])])
    starts = np.flatnonzero(np.concatenate([is_first, [True]]))
    code, flops, params = ordered[:, is_first]
    step = JoinStep(rows.step.before, rows.step.new, rows.step.members[order], starts, cumulative)
    return Rows(rows.live, code, flops, params, np.diff(cumulative[starts]), step=step)
