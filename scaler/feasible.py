"""Every architecture of a space that meets a budget, known exactly before any is trained.

Cost is a sum over segments, so the space is cut in two halves that share only the variables read on both sides of the cut.
Each half is listed in full (its size is about the square root of the space's). For one half's row the other half's partners
are those of the same shared choices, with FLOPs in one interval and parameters in another: a range in an order sorted by FLOPs,
and a range of ranks by parameters, which a wavelet matrix counts and selects from.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from math import ceil, floor, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scaler.budget import Bound, Budget
from scaler.errors import InfeasibleError, ScalerError
from scaler.family import Architecture, Value
from scaler.range_index import Ints, RangeIndex
from scaler.rows import Rows, SegmentTable, join, start, tables_of, unrank, used_choices
from scaler.space import SearchSpace
from scaler.units import format_quantity

_FAR = 1 << 60  # beyond any cost
_SLICE = 1 << 15  # so many rows are paired at once: measured 3x faster than all, as they stay in the processor's cache
_FEW = 4096  # so many nearest candidates are compared one by one


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
        tables = tables or tables_of(space)
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


def find_ranges(halves: Halves, flops: Bound, params: Bound, among: Ints | None = None) -> Iterator[Ranges]:
    """Where left rows' partners may be, under bounds on the sums of cost, slice by slice; ``among`` limits the left rows."""
    for row in _slices(halves.left, among):
        yield _ranges(halves, flops, params, row)


def find_partners(halves: Halves, flops: Bound, params: Bound, among: Ints | None = None) -> Partners:
    """Pair the halves under bounds on the sums of their FLOPs and of their parameters; ``among`` limits the left rows."""
    found = (_partners(halves, ranges) for ranges in find_ranges(halves, flops, params, among))
    return Partners(*map(np.concatenate, zip(*found, strict=True)))


def _ranges(halves: Halves, flops: Bound, params: Bound, row: Ints) -> Ranges:
    left, code = halves.left, halves.left.code[row]
    start, stop = halves.flops.positions(code, _at_least(flops) - left.flops[row], _at_most(flops) - left.flops[row])
    low, high = halves.params.positions(code, _at_least(params) - left.params[row], _at_most(params) - left.params[row])
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


def _slices(rows: Rows, among: Ints | None) -> Iterator[Ints]:
    n = len(rows) if among is None else len(among)
    for at in range(0, max(n, 1), _SLICE):
        row = np.arange(at, min(at + _SLICE, n))
        yield row if among is None else among[row]


class FeasibleSet:
    """All architectures of ``space`` that meet ``budget``.

    Raises:
        ScalerError: the space is too large to be counted in 64-bit integers.
        InfeasibleError: the budget's resolution excludes every choice of the space.
    """

    def __init__(self, space: SearchSpace, budget: Budget, halves: Halves | None = None) -> None:
        self.space = _within_resolution(space, budget)
        self.budget = budget
        self._given = halves

    @cached_property
    def size(self) -> int:
        """How many architectures there are, exactly."""
        return int(self._partners.pairs.sum())

    def under(self, budget: Budget) -> "FeasibleSet":
        """The same space under another budget whose bound on the resolution is the same; the space's tables are shared."""
        return FeasibleSet(self.space, budget, self._halves)

    def __contains__(self, arch: Architecture) -> bool:
        try:
            self.space.point(arch)
        except ScalerError:
            return False
        return self.budget.admits(self.space.cost(arch), arch.resolution)

    def sample_points(self, n: int, rng: np.random.Generator) -> Ints:
        """``n`` points of the space, shape (n, variables), each uniform over the feasible set and independent of the others.

        Raises:
            InfeasibleError: the set is empty; the message names the nearest architecture.
        """
        self.require()
        return self.points(rng.integers(self.size, size=n))

    def sample(self, n: int, rng: np.random.Generator) -> list[Architecture]:
        """``n`` architectures, uniform over the feasible set."""
        return [self.space.arch(point) for point in self.sample_points(n, rng)]

    def points(self, ranks: Ints) -> Ints:
        """The points numbered ``ranks`` (each under `size`) in an arbitrary fixed order; a bijection."""
        partners, halves = self._partners, self._halves
        i = np.searchsorted(self._ends, ranks, side="right")
        way, rest = np.divmod(ranks - (self._ends[i] - partners.pairs[i]), partners.weight[i])
        position, other_way = halves.by_params.select(partners.start[i], partners.stop[i], partners.below[i] + rest)
        digits = unrank(halves.right, halves.order[position], other_way) | unrank(halves.left, partners.row[i], way)
        return np.stack([digits[name] for name in self.space.variables], axis=1)

    def in_order(self, cost: str = "flops") -> Iterator[Architecture]:
        """Every architecture by ascending ``flops`` or ``params``; of a large set, only as much is listed as is read."""
        bands = [tuple(self.bounds()[cost])] if self.size else []
        while bands:
            low, high = bands.pop()
            band = self.under(self.budget.within(cost, Bound(low, high)))
            if band.size > _FEW and low < high:
                middle = (low + high) // 2
                bands += [(middle + 1, high), (low, middle)]
            else:
                points = (band.points(np.arange(at, min(at + _FEW, band.size))) for at in range(0, band.size, _FEW))
                listed = (self.space.arch(point) for chunk in points for point in chunk)
                # In a band of one cost, however many, every order is ascending.
                yield from listed if low == high else sorted(listed, key=lambda arch: getattr(self.space.cost(arch), cost))

    def choices(self) -> dict[str, list[Value]]:
        """For every variable, those of its choices that occur in some feasible architecture, ascending. Exact."""
        used: dict[str, NDArray[np.bool_]] = {}
        for halves in (self._halves, self._halves.swapped):
            marked = np.zeros(len(halves.left), np.bool_)
            marked[find_partners(halves, self.budget["flops"], self.budget["params"]).row] = True
            used |= used_choices(halves.left, marked)
        return {
            name: [value for value, is_used in zip(values, used[name], strict=True) if is_used]
            for name, values in self.space.variables.items()
        }

    def bounds(self) -> dict[str, Any]:
        """The least and greatest feasible value of every axis (a list by stage where it has one each), flops and params. Exact.

        Raises:
            InfeasibleError: the set is empty.
        """
        self.require()
        found: dict[str, Any] = {}
        for name, values in self.choices().items():
            axis, staged, _ = name.partition("[")
            ends = [values[0], values[-1]]
            found[axis] = [*found.get(axis, []), ends] if staged else ends
        return found | {"flops": [self._end_of_flops(-1), self._end_of_flops(1)], "params": self._ends_of_params()}

    def _ends_of_params(self) -> list[int]:
        """Each left row's first and last partner in order of parameters give the least and the greatest sum."""
        partners, halves = self._partners, self._halves
        ends = []
        for target, end in ((partners.below, np.min), (partners.below + partners.weight - 1, np.max)):
            position, _ = halves.by_params.select(partners.start, partners.stop, target)
            ends.append(int(end(halves.left.params[partners.row] + halves.right.params[halves.order[position]])))
        return ends

    def _end_of_flops(self, side: int) -> int:
        """The least (side -1) or greatest (side 1) FLOPs, by bisection over the rows that still have partners."""
        bound, among = self.budget["flops"], self._partners.row
        most = int(self._halves.left.flops.max() + self._halves.right.flops.max())
        low, high = _at_least(bound), min(_at_most(bound), most)
        while low < high:
            lower, upper = (low, (low + high) // 2) if side < 0 else ((low + high + 1) // 2, high)
            found = find_partners(self._halves, Bound(lower, upper), self.budget["params"], among).row
            if len(found):
                low, high, among = lower, upper, found
            elif side < 0:
                low = upper + 1
            else:
                high = lower - 1
        return low

    def require(self) -> None:
        """Do nothing where some architecture meets the budget.

        Raises:
            InfeasibleError: none does; the message names the nearest one and which bound it misses by how much.
        """
        if self.size == 0:
            raise InfeasibleError(self.why_empty())

    def nearest(self) -> Architecture | None:
        """The architecture whose greatest relative miss of a bound is least; None where nothing can be built at all."""
        low, high = 0.0, 1e-6
        while (found := self.under(self.budget.relaxed(high))).size == 0:
            if high > 1e12:
                return None
            low, high = high, high * 4
        for _ in range(60):
            middle = (low + high) / 2
            if found.size <= _FEW or not low < middle < high:
                break
            if (inner := self.under(self.budget.relaxed(middle))).size:
                found, high = inner, middle
            else:
                low = middle
        nearest = found.points(np.arange(min(found.size, _FEW)))
        return min((self.space.arch(point) for point in nearest), key=self._greatest_miss)

    def _greatest_miss(self, arch: Architecture) -> float:
        return max(self.budget.misses(self.space.cost(arch), arch.resolution).values(), default=0.0)

    def why_empty(self) -> str:
        """Of an empty set: the nearest architecture, and which bound it misses by how much."""
        nearest = self.nearest()
        if nearest is None:
            return f"no combination of the axes of {self.space.name} can be built: change the axes"
        cost = self.space.cost(nearest)
        values = cost._asdict()
        missed = [
            f"{key} {format_quantity(values[key])} ({_beyond(miss)}; {self.budget[key]} asked)"
            for key, miss in self.budget.misses(cost, nearest.resolution).items()
            if miss
        ]
        return (
            f"no architecture of {self.space.name} meets {self.budget}; the nearest has {' and '.join(missed)}: "
            f"{_in_words(nearest)}. Widen that bound or the axes"
        )

    @cached_property
    def _halves(self) -> Halves:
        return self._given or Halves.of(self.space)

    @cached_property
    def _partners(self) -> Partners:
        return find_partners(self._halves, self.budget["flops"], self.budget["params"])

    @cached_property
    def _ends(self) -> Ints:
        return np.cumsum(self._partners.pairs)


def _within_resolution(space: SearchSpace, budget: Budget) -> SearchSpace:
    """``space`` without the resolutions that ``budget`` excludes; the space itself where nothing is excluded."""
    if space.size >= 1 << 62:
        raise ScalerError(f"the space of {space.name} holds {space.size:.1e} points, above 4.6e18: narrow an axis")
    offered = space.variables.get("resolution", (space.seed.resolution,))
    kept = tuple(side for side in offered if budget["resolution"].admits(side))
    if not kept:
        raise InfeasibleError(f"no architecture of {space.name} meets {budget}: its resolutions are {list(offered)}; name one")
    if kept == offered:
        return space
    return replace(space, variables={**space.variables, "resolution": kept})


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


def _at_least(bound: Bound) -> int:
    return ceil(bound.low)


def _at_most(bound: Bound) -> int:
    return floor(min(bound.high, _FAR))


def _beyond(miss: float) -> str:
    return f"{miss:.2%} beyond its bound" if miss < 1 else f"{miss + 1:,.0f} times its bound"


def _in_words(arch: Architecture) -> str:
    return ", ".join(f"{name} {value}" for name, value in arch.to_dict().items())
