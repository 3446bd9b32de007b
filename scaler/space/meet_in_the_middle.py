"""A space cut in two halves, and the pairs of their rows that together meet a budget.

Cost is a sum over segments, so the space is cut in two halves that share only the variables read on both sides of the cut.
Each half is listed in full (its size is about the square root of the space's). The partners of a left row are the right rows of
the same shared choices, with FLOPs in one interval and parameters in another: a range of positions in an order by FLOPs, and a
range of ranks by parameters, which a wavelet matrix counts and selects from.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from math import ceil, floor, prod
from typing import NamedTuple

import numpy as np

from scaler.arrays import Ints
from scaler.budget import Bound
from scaler.errors import ScalerError
from scaler.space.partial_architectures import Rows, extend, no_choices
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import SegmentTable, segment_tables
from scaler.space.wavelet_matrix import RangeIndex

_ABOVE_ANY_COST = 1 << 60
_SLICE = 1 << 15  # left rows paired at once: measured 3x faster than all, as they stay in the processor's cache
_INTERVALS = 128  # of the partner filter: it passes 1.06 times the rows that have partners, measured on 10^10 TinyViTs


class CostOrder:
    """Rows in order of (code, cost), searched by both.

    Attributes:
        order: shape (rows,), the row at each position of the order.
        first: shape (codes,), the position of each code's first row.
    """

    def __init__(self, rows: Rows, cost: Ints) -> None:
        codes = prod(rows.live.values())
        self._span = int(cost.max(initial=0)) + 2
        if self._span * (codes + 1) >= 1 << 62:
            raise ScalerError(f"all parts of the space read {', '.join(rows.live)}: narrow one of these axes")
        keys = self._keys_of(rows.code, cost)
        self.order = np.argsort(keys, kind="stable")
        self._keys = keys[self.order]
        self.first = np.searchsorted(self._keys, np.arange(codes) * self._span)

    def positions(self, code: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        """Return the positions [start, stop) of the rows of each ``code`` with cost in [low, high]."""
        start = self.first[code]
        if low.max(initial=0) > 0:
            start = np.searchsorted(self._keys, self._keys_of(code, low), side="left")
        stop = np.searchsorted(self._keys, self._keys_of(code, high), side="right")
        return start, np.where(high < 0, start, stop)

    def _keys_of(self, code: Ints, cost: Ints) -> Ints:
        """One integer for each (code, cost), in their order."""
        return code * self._span + np.clip(cost, 0, self._span - 1)


class Halves:
    """A space as two tables of rows that are paired by the choices they share, independent of any budget on cost.

    Attributes:
        left, right: the rows of each half; their code is that of the shared choices.
        by_flops, by_params: the right rows in order of (shared choices, cost).
        order: the right row at each position; positions of right rows are those of ``by_flops``.
    """

    def __init__(self, left: Rows, right: Rows) -> None:
        self.left, self.right = left, right
        self.by_flops, self.by_params = CostOrder(right, right.flops), CostOrder(right, right.params)
        self.order = self.by_flops.order

    @classmethod
    def of(
        cls, space: SearchSpace, tables: Sequence[SegmentTable] | None = None, prune: Callable[[Rows], Rows] = lambda rows: rows
    ) -> "Halves":
        """Cut ``space`` where the two halves have the fewest rows.

        Args:
            tables: the space's segment tables, if they carry a score or other costs than FLOPs and parameters.
            prune: drops rows of a half after each segment.
        """
        tables = tables or segment_tables(space)
        cut = min(range(1, len(tables) + 1), key=lambda i: _combinations(tables[:i]) + _combinations(tables[i:]))
        shared = _sizes(tables[:cut]).keys() & _sizes(tables[cut:]).keys()
        return cls(*(_list_half(half, space, shared, prune) for half in (tables[:cut], tables[cut:][::-1])))

    @cached_property
    def swapped(self) -> "Halves":
        """The same pairs, with left and right exchanged."""
        return Halves(self.right, self.left)

    @property
    def longest_range(self) -> int:
        """The greatest number of right rows of the same shared choices."""
        return int(np.diff(self.by_flops.first, append=len(self.order)).max(initial=0))

    @cached_property
    def param_ranks(self) -> RangeIndex:
        """By position, each right row's rank by parameters among those of the same code, with its multiplicity as weight."""
        rank = np.empty(len(self.order), np.int64)
        rank[self.by_params.order] = np.arange(len(rank)) - self.by_params.first[self.right.code[self.by_params.order]]
        multiplicity = self.right.multiplicity
        return RangeIndex(rank[self.order], None if multiplicity is None else multiplicity[self.order])


class Ranges(NamedTuple):
    """Left rows with the two intervals of their partners, neither of them empty. All arrays have shape (n,).

    Attributes:
        row: the left row.
        start, stop: partners are among the right positions [start, stop), which their FLOPs allow;
        low, high: and have a rank by parameters in [low, high).
    """

    row: Ints
    start: Ints
    stop: Ints
    low: Ints
    high: Ints


class Partners(NamedTuple):
    """Left rows that have partners, and how to select these. All arrays have shape (n,).

    In order of parameters, the combinations of the right rows at positions [start, stop) that are numbered
    [first, first + matches) are the partners.

    Attributes:
        row: the left row.
        start, stop: right positions, as in `Ranges`.
        first, matches: the range of combinations.
        pairs: ``matches`` times the combinations of the left row.
    """

    row: Ints
    start: Ints
    stop: Ints
    first: Ints
    matches: Ints
    pairs: Ints


class PartnerFilter:
    """Drops most left rows that have no partner, and never one that has.

    It knows, for each code and each of some intervals of FLOPs, the fewest parameters of the right rows that may be partners.
    """

    def __init__(self, halves: Halves, flops: Bound, params: Bound, intervals: int) -> None:
        right, codes = halves.right, len(halves.by_flops.first)
        self._left, self._least_flops, self._most_params = halves.left, at_least(flops), at_most(params)
        self._width = int(right.flops.max(initial=0)) // intervals + 1
        low = np.arange(-1, intervals) * self._width  # the least FLOPs of partners; in the first interval, below zero
        high = low + self._width + (at_most(flops) - at_least(flops))
        code = np.repeat(np.arange(codes), len(low))
        start, stop = halves.by_flops.positions(code, np.tile(low, codes), np.tile(high, codes))
        ends = np.stack([start, stop], axis=1).ravel()
        fewest = np.minimum.reduceat(np.append(right.params[halves.order], _ABOVE_ANY_COST), ends)[::2]
        self._fewest_params = np.where(start < stop, fewest, _ABOVE_ANY_COST).reshape(codes, len(low))

    def __call__(self, row: Ints) -> Ints:
        """Return those of the left rows ``row`` that may have partners."""
        left, last = self._left, self._fewest_params.shape[1] - 1
        interval = np.clip((self._least_flops - left.flops[row]) // self._width + 1, 0, last)
        return row[left.params[row] + self._fewest_params[left.code[row], interval] <= self._most_params]


def find_ranges(halves: Halves, flops: Bound, params: Bound, among: Ints | None = None) -> Iterator[Ranges]:
    """Yield the ranges of left rows' partners under bounds on the sums of cost, slice by slice.

    Args:
        among: the left rows to pair; None for all.
    """
    rows = len(halves.left) if among is None else len(among)
    # A filter costs more than it saves for few rows.
    intervals = min(_INTERVALS, rows // (16 * len(halves.by_flops.first)))
    passes = PartnerFilter(halves, flops, params, intervals) if rows > _SLICE and intervals > 1 else None
    for row in _slices(rows, among):
        yield _ranges(halves, flops, params, passes(row) if passes else row)


def find_partners(halves: Halves, flops: Bound, params: Bound, among: Ints | None = None) -> Partners:
    """Return the pairs of the halves under bounds on the sums of cost; see `find_ranges`."""
    found = (_partners(halves, ranges) for ranges in find_ranges(halves, flops, params, among))
    return Partners(*map(np.concatenate, zip(*found, strict=True)))


def _ranges(halves: Halves, flops: Bound, params: Bound, row: Ints) -> Ranges:
    left, code = halves.left, halves.left.code[row]
    least, most = at_least(flops) - left.flops[row], at_most(flops) - left.flops[row]
    start, stop = halves.by_flops.positions(code, least, most)
    least, most = at_least(params) - left.params[row], at_most(params) - left.params[row]
    low, high = halves.by_params.positions(code, least, most)
    kept = np.flatnonzero((start < stop) & (low < high))
    first = halves.by_params.first[code[kept]]
    return Ranges(row[kept], start[kept], stop[kept], low[kept] - first, high[kept] - first)


def _partners(halves: Halves, ranges: Ranges) -> Partners:
    row, start, stop, low, high = ranges
    first = halves.param_ranks.below(start, stop, low) if low.any() else low
    matches = halves.param_ranks.below(start, stop, high) - first
    kept = np.flatnonzero(matches)
    row, start, stop, first, matches = row[kept], start[kept], stop[kept], first[kept], matches[kept]
    multiplicity = halves.left.multiplicity
    return Partners(row, start, stop, first, matches, matches if multiplicity is None else matches * multiplicity[row])


def _slices(rows: int, among: Ints | None) -> Iterator[Ints]:
    for at in range(0, max(rows, 1), _SLICE):
        row = np.arange(at, min(at + _SLICE, rows))
        yield row if among is None else among[row]


def _list_half(
    tables: Sequence[SegmentTable], space: SearchSpace, shared: Collection[str], prune: Callable[[Rows], Rows]
) -> Rows:
    """All rows of one half; their live variables are in the end those that it shares with the other."""
    rows = no_choices()
    for i, table in enumerate(tables):
        keep = {*shared, *_sizes(tables[i + 1 :])}
        rows = prune(extend(rows, table, [name for name in space.variables if name in keep]))
    return rows


def _sizes(tables: Sequence[SegmentTable]) -> dict[str, int]:
    return {name: size for table in tables for name, size in table.sizes.items()}


def _combinations(tables: Sequence[SegmentTable]) -> int:
    return prod(_sizes(tables).values())


def at_least(bound: Bound) -> int:
    """Return the least cost within ``bound``."""
    return ceil(bound.low)


def at_most(bound: Bound) -> int:
    """Return the greatest cost within ``bound``."""
    return floor(min(bound.high, _ABOVE_ANY_COST))
