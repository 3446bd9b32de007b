"""The architectures of a space that meet a budget, known exactly before any is trained: counted, drawn from, bounded.

A member is a pair of rows, one of each half of the space (`scaler.space.meet_in_the_middle`); the members are numbered without
being listed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Ints
from scaler.budget import Bound, Budget, format_value
from scaler.cost.architecture import Architecture, Value
from scaler.errors import InfeasibleError, ScalerError
from scaler.space.meet_in_the_middle import Halves, Partners, at_least, at_most, find_partners
from scaler.space.partial_architectures import unrank, used_choices
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import Costs, segment_tables

_FEW = 4096  # architectures that are listed and compared one by one


class FeasibleSet:
    """All architectures of ``space`` that meet ``budget``.

    Raises:
        ScalerError: the space is too large to be counted in 64-bit integers.
        InfeasibleError: the budget's resolution excludes every choice of the space.
    """

    def __init__(self, space: SearchSpace, budget: Budget, halves: Halves | None = None) -> None:
        self.space = _within_resolution(space, budget)
        self.budget = budget
        self._shared_halves = halves

    @cached_property
    def size(self) -> int:
        """The exact number of architectures."""
        return int(self._partners.pairs.sum())

    def under(self, budget: Budget) -> "FeasibleSet":
        """Return the set of the same space under another budget with the same bound on the resolution; tables are shared."""
        return FeasibleSet(self.space, budget, self._halves if budget.costs == self.costs else None)

    def having(self, values: Mapping[str, Value]) -> "FeasibleSet":
        """Return the architectures that have ``values``, those of some variables.

        Raises:
            InfeasibleError: a value is not among the variable's choices under the budget.
        """
        variables = dict(self.space.variables)
        for name, value in values.items():
            variables[name] = tuple(choice for choice in variables[name] if choice == value)
            if not variables[name]:
                raise InfeasibleError(
                    f"{name} = {value} is not among the choices of {self.space.name} under {self.budget}: "
                    f"{list(self.space.variables[name])}"
                )
        return FeasibleSet(replace(self.space, variables=variables), self.budget)

    @property
    def costs(self) -> Costs:
        """Names of the two costs that decide membership; see `Budget.costs`."""
        return self.budget.costs

    @property
    def bounds_on_costs(self) -> tuple[Bound, Bound]:
        """The budget's bounds on both `costs`."""
        return self.budget[self.costs[0]], self.budget[self.costs[1]]

    def __contains__(self, arch: Architecture) -> bool:
        try:
            self.space.point(arch)
            quantities = self.space.quantities(arch)
        except ScalerError:
            return False
        return self.budget.admits(quantities)

    def sample_points(self, n: int, rng: np.random.Generator | int) -> Ints:
        """Draw ``n`` points of the space, shape (n, variables), each uniform over the set and independent of the others.

        ``rng``: a generator, or the seed of one.

        Raises:
            InfeasibleError: the set is empty; the message names the nearest architecture.
        """
        self.require()
        return self.points(np.random.default_rng(rng).integers(self.size, size=n))

    def sample(self, n: int, rng: np.random.Generator | int) -> list[Architecture]:
        """Draw ``n`` architectures, each uniform over the set; see `sample_points`.

        Raises:
            InfeasibleError: the set is empty; the message names the nearest architecture.
        """
        return [self.space.arch(point) for point in self.sample_points(n, rng)]

    def points(self, ranks: Ints) -> Ints:
        """Return the points numbered ``ranks``, shape (n, variables); each rank below `size` numbers another point."""
        partners, halves = self._partners, self._halves
        i = np.searchsorted(self._ends, ranks, side="right")
        left_rank, right_rank = np.divmod(ranks - (self._ends[i] - partners.pairs[i]), partners.matches[i])
        start, stop, target = partners.start[i], partners.stop[i], partners.first[i] + right_rank
        position, right_rank = halves.param_ranks.select(start, stop, target)
        right = unrank(halves.right, halves.order[position], right_rank)
        chosen = right | unrank(halves.left, partners.row[i], left_rank)
        return np.stack([chosen[name] for name in self.space.variables], axis=1)

    def in_order(self, cost: str = "flops") -> Iterator[Architecture]:
        """Yield every architecture by ascending ``cost``, one of `costs`; only what is read of a large set is listed.

        For use from Python, such as the cheapest architectures of a set: ``islice(feasible.in_order("params"), 10)``.
        """
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
                yield from listed if low == high else sorted(listed, key=lambda arch: self.space.quantities(arch)[cost])

    def choices(self) -> dict[str, list[Value]]:
        """Return the choices of every variable that occur in some feasible architecture, ascending. Exact."""
        used: dict[str, NDArray[np.bool_]] = {}
        for halves in (self._halves, self._halves.swapped):
            has_partner = np.zeros(len(halves.left), np.bool_)
            has_partner[find_partners(halves, *self.bounds_on_costs).row] = True
            used |= used_choices(halves.left, has_partner)
        return {
            name: [value for value, is_used in zip(values, used[name], strict=True) if is_used]
            for name, values in self.space.variables.items()
        }

    def bounds(self) -> dict[str, Any]:
        """Return the least and the greatest feasible value of every axis (by stage if it has stages) and of both `costs`. Exact.

        Raises:
            InfeasibleError: the set is empty.
        """
        self.require()
        found: dict[str, Any] = {}
        for name, values in self.choices().items():
            axis, staged, _ = name.partition("[")
            ends = [values[0], values[-1]]
            found[axis] = [*found.get(axis, []), ends] if staged else ends
        first, second = self.costs
        return found | {first: [self._end_of_first(-1), self._end_of_first(1)], second: self._ends_of_second()}

    def _ends_of_second(self) -> list[int]:
        """The least and the greatest second cost, from each left row's first and last partner in its order."""
        partners, halves = self._partners, self._halves
        ends = []
        for target, end in ((partners.first, np.min), (partners.first + partners.matches - 1, np.max)):
            position, _ = halves.param_ranks.select(partners.start, partners.stop, target)
            ends.append(int(end(halves.left.params[partners.row] + halves.right.params[halves.order[position]])))
        return ends

    def _end_of_first(self, side: int) -> int:
        """The least (side -1) or greatest (side 1) first cost, by bisection over the rows that still have partners."""
        (bound, other), among = self.bounds_on_costs, self._partners.row
        most = int(self._halves.left.flops.max() + self._halves.right.flops.max())
        low, high = at_least(bound), min(at_most(bound), most)
        while low < high:
            lower, upper = (low, (low + high) // 2) if side < 0 else ((low + high + 1) // 2, high)
            found = find_partners(self._halves, Bound(lower, upper), other, among).row
            if len(found):
                low, high, among = lower, upper, found
            elif side < 0:
                low = upper + 1
            else:
                high = lower - 1
        return low

    def require(self) -> None:
        """Check that some architecture meets the budget.

        Raises:
            InfeasibleError: none does; the message names the nearest one and by how much it misses which bound.
        """
        if self.size == 0:
            raise InfeasibleError(self.why_empty())

    def nearest(self) -> Architecture | None:
        """Return the architecture whose greatest relative miss of a bound is least; None if nothing can be built at all."""
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
        return max(self.budget.violations(self.space.quantities(arch)).values(), default=0.0)

    def why_empty(self) -> str:
        """Return the reason for which the set is empty: the nearest architecture, and by how much it misses which bound."""
        nearest = self.nearest()
        if nearest is None:
            return f"no combination of the axes of {self.space.name} can be built: change the axes"
        values = self.space.quantities(nearest)
        missed = [
            f"{key} {format_value(key, values[key])} ({_beyond(miss)}; {self.budget.asked(key)} asked)"
            for key, miss in self.budget.violations(values).items()
            if miss
        ]
        return (
            f"no architecture of {self.space.name} meets {self.budget}; the nearest has {' and '.join(missed)}: "
            f"{_in_words(nearest)}. Widen that bound or the axes"
        )

    @cached_property
    def _halves(self) -> Halves:
        return self._shared_halves or Halves.of(self.space, segment_tables(self.space, self.costs))

    @cached_property
    def _partners(self) -> Partners:
        return find_partners(self._halves, *self.bounds_on_costs)

    @cached_property
    def _ends(self) -> Ints:
        """The number of members up to each left row's last."""
        return np.cumsum(self._partners.pairs)


def _within_resolution(space: SearchSpace, budget: Budget) -> SearchSpace:
    """``space`` without the resolutions that ``budget`` excludes; the space itself if none is."""
    if space.size >= 1 << 62:
        raise ScalerError(f"the space of {space.name} holds {space.size:.1e} points, above 4.6e18: narrow an axis")
    offered = space.variables.get("resolution", (space.seed.resolution,))
    kept = tuple(side for side in offered if budget["resolution"].admits(side))
    if not kept:
        raise InfeasibleError(_why_no_resolution(space, budget, offered))
    if kept == offered:
        return space
    return replace(space, variables={**space.variables, "resolution": kept})


def _why_no_resolution(space: SearchSpace, budget: Budget, offered: Sequence[Value]) -> str:
    bound = budget["resolution"]
    nearest = min(offered, key=bound.miss)
    return (
        f"no architecture of {space.name} meets {budget}: the nearest of its resolutions {list(offered)} is {nearest} "
        f"({_beyond(bound.miss(nearest))}; {budget.asked('resolution')} asked). Widen that bound or the axis"
    )


def _beyond(miss: float) -> str:
    return f"{miss:.2%} beyond its bound" if miss < 1 else f"{miss + 1:,.0f} times its bound"


def _in_words(arch: Architecture) -> str:
    return ", ".join(f"{name} {value}" for name, value in arch.to_dict().items())
