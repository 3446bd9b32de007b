"""A space cut in two, and the pairs of rows that together meet a budget.

Cost is a sum over segments, so the space is cut in two halves that share only the variables read on both sides of the cut.
Each half is listed in full (its size is about the square root of the space's). For one half's row the other half's partners
are those of the same shared choices, with FLOPs in one interval and parameters in another: a range in an order sorted by FLOPs,
and a range of ranks by parameters, which a wavelet matrix counts and selects from.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from math import ceil, floor, prod
from typing import NamedTuple

import numpy as np

from scaler.arrays import Ints
from scaler.budget import Bound
from scaler.errors import ScalerError
from scaler.space.partial_architectures import Rows, join, start
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import SegmentTable, segment_tables
from scaler.space.wavelet_matrix import RangeIndex

_FAR = 1 << 60  # beyond any cost
_SLICE = 1 << 15  # so many rows are paired at once: measured 3x faster than all, as they stay in the processor's cache
_STEPS = 128  # so fine an outlook: it passes 1.06 times the rows that have partners, measured on 10^10 TinyViTs


class CostOrder:
    """Rows in order of (code, cost), searched by both."""

    def __init__(self, rows: Rows, cost: Ints) -> None:
        codes = prod(rows.live.values())
        self._span = int(cost.max(initial=0)) + 2
        if self._span * (codes + 1) >= 1 << 62:
            raise ScalerError(f"all parts of the space read {', '.join(rows.live)}: narrow one of these axes")
        keys = self._key(rows.code, cost)
        self.order = np.argsort(keys, kind="stable")
        self._keys = keys[self.order]
        self.first = np.searchsorted(self._keys, np.arange(codes) * self._span)  # position of each code's first row

    def positions(self, code: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Where the rows of each ``code`` with cost in [low, high] lie, as [start, stop)."""
        start = np.searchsorted(self._keys, self._key(code, low), side="left") if low.max(initial=0) > 0 else self.first[code]
        stop = np.searchsorted(self._keys, self._key(code, high), side="right")
        return start, np.where(high < 0, start, stop)

    def _key(self, code: Ints, cost: Ints) -> Ints:
        return code * self._span + np.clip(cost, 0, self._span - 1)


class Halves:
    """A space as two tables of rows that are paired by the choices they share. Independent of any budget on cost.

    The right half's positions are those in order of (shared choices, FLOPs).
    """

    def __init__(self, left: Rows, right: Rows) -> None:
        self.left, self.right = left, right
        self.flops, self.params = CostOrder(right, right.flops), CostOrder(right, right.params)
        self.order = self.flops.order

    @classmethod
    def of(
        cls, space: SearchSpace, tables: Sequence[SegmentTable] | None = None, thin: Callable[[Rows], Rows] = lambda rows: rows
    ) -> "Halves":
        """``tables``: those of ``space``, where they carry a score. ``thin``: what leaves rows out, after every segment."""
        tables = tables or segment_tables(space)
        cut = min(range(1, len(tables) + 1), key=lambda i: _rows_in(tables[:i]) + _rows_in(tables[i:]))
        shared = _sizes(tables[:cut]).keys() & _sizes(tables[cut:]).keys()
        return cls(*(_joined(part, space, shared, thin) for part in (tables[:cut], tables[cut:][::-1])))

    @cached_property
    def swapped(self) -> "Halves":
        return Halves(self.right, self.left)

    @property
    def longest(self) -> int:
        """The most right rows that make the same shared choices."""
        return int(np.diff(self.flops.first, append=len(self.order)).max(initial=0))

    @cached_property
    def by_params(self) -> RangeIndex:
        """The positions' ranks by parameters among the rows of the same code."""
        rank = np.empty(len(self.order), np.int64)
        rank[self.params.order] = np.arange(len(rank)) - self.params.first[self.right.code[self.params.order]]
        return RangeIndex(rank[self.order], None if self.right.weight is None else self.right.weight[self.order])


class Partners(NamedTuple):
    """For each left row that has some: the right positions in [start, stop) whose rank by parameters is in [low, high).

    All arrays have shape (rows,). ``below`` is the weight of positions under ``low`` in the range, ``weight`` that of the
    partners, ``pairs`` the ways of the left row times those of its partners.
    """

    row: Ints
    start: Ints
    stop: Ints
    below: Ints
    weight: Ints
    pairs: Ints


class Ranges(NamedTuple):
    """For left rows: partners are the right positions in [start, stop) whose rank by parameters is in [low, high).

    All arrays have shape (rows,); neither range is empty.
    """

    row: Ints
    start: Ints
    stop: Ints
    low: Ints
    high: Ints


class PartnerFilter:
    """A quick look that leaves out most left rows without a partner, and none with one.

    For every code and some intervals of FLOPs: the fewest parameters of the right rows that may be partners there.
    """

    def __init__(self, halves: Halves, flops: Bound, params: Bound, steps: int) -> None:
        right, codes = halves.right, len(halves.flops.first)
        self._left, self._flops, self._most = halves.left, at_least(flops), at_most(params)
        self._step = int(right.flops.max(initial=0)) // steps + 1
        low = np.arange(-1, steps) * self._step  # what partners need at least; the first is for less than nothing
        high = low + self._step + (at_most(flops) - at_least(flops))
        start, stop = halves.flops.positions(np.repeat(np.arange(codes), len(low)), np.tile(low, codes), np.tile(high, codes))
        ends = np.stack([start, stop], axis=1).ravel()
        fewest = np.minimum.reduceat(np.append(right.params[halves.order], _FAR), ends)[::2]
        self._fewest = np.where(start < stop, fewest, _FAR).reshape(codes, len(low))

    def __call__(self, row: Ints) -> Ints:
        """Those of the left rows ``row`` that may have partners."""
        left, last = self._left, self._fewest.shape[1] - 1
        step = np.clip((self._flops - left.flops[row]) // self._step + 1, 0, last)
        return row[left.params[row] + self._fewest[left.code[row], step] <= self._most]


def find_ranges(halves: Halves, flops: Bound, params: Bound, among: Ints | None = None) -> Iterator[Ranges]:
    """Where left rows' partners may be, under bounds on the sums of cost, slice by slice; ``among`` limits the left rows."""
    rows = len(halves.left) if among is None else len(among)
    # Where rows are few, an outlook costs more than it saves.
    steps = min(_STEPS, rows // (16 * len(halves.flops.first)))
    look = PartnerFilter(halves, flops, params, steps) if rows > _SLICE and steps > 1 else None
    for row in _slices(rows, among):
        yield _ranges(halves, flops, params, look(row) if look else row)


def find_partners(halves: Halves, flops: Bound, params: Bound, among: Ints | None = None) -> Partners:
    """Pair the halves under bounds on the sums of their FLOPs and of their parameters; ``among`` limits the left rows."""
    found = (_partners(halves, ranges) for ranges in find_ranges(halves, flops, params, among))
    return Partners(*map(np.concatenate, zip(*found, strict=True)))


def _ranges(halves: Halves, flops: Bound, params: Bound, row: Ints) -> Ranges:
    left, code = halves.left, halves.left.code[row]
    start, stop = halves.flops.positions(code, at_least(flops) - left.flops[row], at_most(flops) - left.flops[row])
    low, high = halves.params.positions(code, at_least(params) - left.params[row], at_most(params) - left.params[row])
    some = np.flatnonzero((start < stop) & (low < high))
    first = halves.params.first[code[some]]
    return Ranges(row[some], start[some], stop[some], low[some] - first, high[some] - first)


def _partners(halves: Halves, ranges: Ranges) -> Partners:
    row, start, stop, low, high = ranges
    below = halves.by_params.below(start, stop, low) if low.any() else low
    weight = halves.by_params.below(start, stop, high) - below
    some = np.flatnonzero(weight)
    row, start, stop, below, weight = row[some], start[some], stop[some], below[some], weight[some]
    return Partners(row, start, stop, below, weight, weight if halves.left.weight is None else weight * halves.left.weight[row])


def _slices(rows: int, among: Ints | None) -> Iterator[Ints]:
    for at in range(0, max(rows, 1), _SLICE):
        row = np.arange(at, min(at + _SLICE, rows))
        yield row if among is None else among[row]


def _joined(tables: Sequence[SegmentTable], space: SearchSpace, shared: Collection[str], thin: Callable[[Rows], Rows]) -> Rows:
    """All rows of one half, in terms of the variables that it shares with the other."""
    rows = start()
    for i, table in enumerate(tables):
        wanted = {*shared, *_sizes(tables[i + 1 :])}
        rows = thin(join(rows, table, [name for name in space.variables if name in wanted]))
    return rows


def _sizes(tables: Sequence[SegmentTable]) -> dict[str, int]:
    return {name: size for table in tables for name, size in table.sizes.items()}


def _rows_in(tables: Sequence[SegmentTable]) -> int:
    return prod(_sizes(tables).values())


def at_least(bound: Bound) -> int:
    """The least cost within ``bound``."""
    return ceil(bound.low)


def at_most(bound: Bound) -> int:
    """The greatest cost within ``bound``."""
    return floor(min(bound.high, _FAR))
