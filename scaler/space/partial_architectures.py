"""Partial architectures and their costs, joined segment by segment.

Each row stands for one way, or for ``weight`` ways of the same cost, to choose the variables of the segments joined so far.
Rows remember where they came from, so that any of the ways can be read back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from scaler.cost.architecture import Segment
from scaler.cost.operators import total
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Costs = tuple[str, str]
FLOPS_AND_PARAMS: Costs = ("flops", "params")

# Rows of equal cost are merged only in tables up to this size. Merging pays where segments repeat (the layers of a DeiT) and
# then keeps tables small from the start; elsewhere it would sort millions of rows to find next to no equal ones.
_MERGE_UP_TO = 1 << 19


# Of one segment, FLOPs or parameters; a thousand segments of it still fit 64-bit integers, and float64 holds it exactly.
_MOST = 10**15


@dataclass(frozen=True)
class SegmentTable:
    """One segment's cost for every combination of its variables, as flat arrays in mixed-radix order of ``sizes``.

    ``flops`` and ``params`` are the two costs that are bounded: where latency is, it stands in the place of one of them.
    ``score``: what the segment adds to a score that is sought; None where none is.
    """

    sizes: Mapping[str, int]
    flops: Ints
    params: Ints
    buildable: NDArray[np.bool_]
    score: Floats | None = None


def tables_of(space: SearchSpace, costs: Costs = FLOPS_AND_PARAMS) -> list[SegmentTable]:
    """The tables of all segments; variables that no segment reads (they cost nothing) come last, in one table each."""
    tables = [tabulate(space, segment, costs) for segment in space.segments]
    read = {name for table in tables for name in table.sizes}
    unread = {name: len(choices) for name, choices in space.variables.items() if name not in read}
    return tables + [_free(name, size) for name, size in unread.items()]


def tabulate(space: SearchSpace, segment: Segment, costs: Costs = FLOPS_AND_PARAMS) -> SegmentTable:
    """Cost ``segment`` over all its combinations at once, from the same description that costs one architecture.

    Raises:
        ScalerError: some combination costs more than 64-bit integers can be trusted with.
    """
    _check_greatest(space, segment)
    names = space.read_by(segment)
    grid = np.meshgrid(*(np.asarray(space.variables[name]) for name in names), indexing="ij")
    flat = {name: values.ravel() for name, values in zip(names, grid, strict=True)}
    arguments = space.arguments(segment, flat)
    prices = space.price(segment.parts(*arguments))
    buildable = segment.rule(*arguments) if segment.rule else True
    sizes = {name: len(space.variables[name]) for name in names}
    shape = (prod(sizes.values()),)
    return SegmentTable(
        sizes,
        np.broadcast_to(np.asarray(prices[costs[0]], np.int64), shape),
        np.broadcast_to(np.asarray(prices[costs[1]], np.int64), shape),
        np.broadcast_to(np.asarray(buildable, np.bool_), shape),
    )


def _check_greatest(space: SearchSpace, segment: Segment) -> None:
    """Refuse a segment that costs above `_MOST` at some corner, in Python's integers, which do not overflow.

    Costs rise or fall with each value, but for a window's padding, which changes them by much less than `_MOST` is below 2^63.
    """
    names = space.read_by(segment)
    corners = list(product(*({space.variables[name][0], space.variables[name][-1]} for name in names)))
    columns = np.array(corners, dtype=object).reshape(len(corners), len(names)).T
    costs = total(segment.parts(*space.arguments(segment, dict(zip(names, columns, strict=True)))))
    if max(np.max(cost) for cost in costs) > _MOST:
        raise ScalerError(f"{segment.name or 'a part'} of {space.name} would cost above 10^15 FLOPs: narrow {', '.join(names)}")


def fused(tables: Sequence[SegmentTable]) -> SegmentTable:
    """One table for several segments: the sums of their costs over all combinations of their variables."""
    sizes = {name: size for table in tables for name, size in table.sizes.items()}
    cells = prod(sizes.values())
    digits = _digits(np.arange(cells), sizes)
    flops, params, buildable = np.zeros(cells, np.int64), np.zeros(cells, np.int64), np.ones(cells, np.bool_)
    for table in tables:
        cell = _code(digits, table.sizes, cells)
        flops, params, buildable = flops + table.flops[cell], params + table.params[cell], buildable & table.buildable[cell]
    return SegmentTable(sizes, flops, params, buildable)


def _free(name: str, size: int) -> SegmentTable:
    zero = np.zeros(size, np.int64)
    return SegmentTable({name: size}, zero, zero, np.ones(size, np.bool_))


@dataclass(frozen=True)
class Step:
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
    step: Step | None = field(default=None, repr=False)

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
        return _digits(self.code, self.live)


def start() -> Rows:
    """The one row of no choices."""
    zero = np.zeros(1, np.int64)
    return Rows({}, zero, zero, zero)


def join(rows: Rows, table: SegmentTable, keep: Sequence[str]) -> Rows:
    """Choose the variables that ``table`` brings and add its cost; variables in ``keep`` stay live, in that order."""
    fresh = {name: size for name, size in table.sizes.items() if name not in rows.live}
    combinations = np.arange(prod(fresh.values()))
    old, new = rows.digits(), _digits(combinations, fresh)
    sizes = {**rows.live, **fresh}
    live = {name: sizes[name] for name in keep if name in sizes}

    def grid(sizes: Mapping[str, int]) -> Ints:
        return np.add.outer(_code(new, sizes, len(combinations)), _code(old, sizes, len(rows)))

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
        Step(rows, fresh, np.flatnonzero(buildable)),
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
        found |= _digits(combination, step.fresh)
        rows = step.before
    return found


def used_choices(rows: Rows, used: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """For every variable, which of its choices occur in some way of the rows that ``used`` marks."""
    found: dict[str, NDArray[np.bool_]] = {}
    while rows.step is not None:
        step = rows.step
        marked = used if step.first is None else np.repeat(used, np.diff(step.first))
        combination, row = np.divmod(step.members[marked], len(step.before))
        for name, digit in _digits(combination, step.fresh).items():
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
    step = Step(rows.step.before, rows.step.fresh, rows.step.members[order], first, running)
    return Rows(rows.live, code, flops, params, np.diff(running[first]), step=step)


def _code(digits: Mapping[str, Ints], radix: Mapping[str, int], length: int) -> Ints:
    """The part of a mixed-radix code over ``radix`` that the variables in ``digits`` make up."""
    code = np.zeros(length, np.int64)
    stride = prod(radix.values())
    if stride >= 1 << 62:
        raise ScalerError(f"the space couples too many choices at once ({list(radix)}): narrow one of these axes")
    for name, size in radix.items():
        stride //= size
        if name in digits:
            code += digits[name] * stride
    return code


def _digits(code: Ints, radix: Mapping[str, int]) -> dict[str, Ints]:
    digits: dict[str, Ints] = {}
    for name, size in reversed(list(radix.items())):
        code, digits[name] = np.divmod(code, size)
    return digits
