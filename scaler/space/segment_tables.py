"""The cost of each segment for every combination of its variables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Floats, Ints
from scaler.cost.architecture import Segment
from scaler.cost.operators import total
from scaler.errors import ScalerError
from scaler.space.mixed_radix import decode, encode
from scaler.space.search_space import SearchSpace

Costs = tuple[str, str]  # names of the two costs that a budget bounds, of those in `SearchSpace.price`

FLOPS_AND_PARAMS: Costs = ("flops", "params")

# The greatest FLOPs or parameters of one segment: a thousand of them still fit 64-bit integers, and float64 holds each exactly.
_LIMIT = 10**15


@dataclass(frozen=True)
class SegmentTable:
    """One segment's cost for every combination of its variables. All arrays have shape (combinations,).

    Attributes:
        sizes: the segment's variables, each with its number of choices; combinations are numbered in mixed radix over them.
        flops, params: the two costs that are bounded. If one of them is latency, it takes the place of FLOPs or parameters.
        buildable: which combinations can be built.
        score: the segment's part of a score that is a sum over segments; None if none is asked for.
    """

    sizes: Mapping[str, int]
    flops: Ints
    params: Ints
    buildable: NDArray[np.bool_]
    score: Floats | None = None


def segment_tables(space: SearchSpace, costs: Costs = FLOPS_AND_PARAMS) -> list[SegmentTable]:
    """Return the tables of all segments; variables that no segment reads, which cost nothing, come last, in one table each."""
    tables = [tabulate(space, segment, costs) for segment in space.segments]
    read = {name for table in tables for name in table.sizes}
    unread = {name: len(choices) for name, choices in space.variables.items() if name not in read}
    return tables + [_free_table(name, size) for name, size in unread.items()]


def tabulate(space: SearchSpace, segment: Segment, costs: Costs = FLOPS_AND_PARAMS) -> SegmentTable:
    """Return the table of ``segment``, from the same description that costs one architecture.

    Raises:
        ScalerError: some combination costs more than 64-bit integers can be trusted with.
    """
    _check_limit(space, segment)
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


def _check_limit(space: SearchSpace, segment: Segment) -> None:
    """Refuse a segment that costs above `_LIMIT` at some corner, in Python's integers, which do not overflow.

    Costs rise or fall with each value, except for a window's padding, which changes them by much less than 2^63 / `_LIMIT` times.
    """
    names = space.read_by(segment)
    corners = list(product(*({space.variables[name][0], space.variables[name][-1]} for name in names)))
    columns = np.array(corners, dtype=object).reshape(len(corners), len(names)).T
    costs = total(segment.parts(*space.arguments(segment, dict(zip(names, columns, strict=True)))))
    if max(np.max(cost) for cost in costs) > _LIMIT:
        raise ScalerError(f"{segment.name or 'a part'} of {space.name} would cost above 10^15 FLOPs: narrow {', '.join(names)}")


def fused(tables: Sequence[SegmentTable]) -> SegmentTable:
    """Return one table for several segments: the sums of their costs over all combinations of their variables."""
    sizes = {name: size for table in tables for name, size in table.sizes.items()}
    combinations = prod(sizes.values())
    choices = decode(np.arange(combinations), sizes)
    flops, params = np.zeros(combinations, np.int64), np.zeros(combinations, np.int64)
    buildable = np.ones(combinations, np.bool_)
    for table in tables:
        cell = encode(choices, table.sizes, combinations)
        flops, params, buildable = flops + table.flops[cell], params + table.params[cell], buildable & table.buildable[cell]
    return SegmentTable(sizes, flops, params, buildable)


def _free_table(name: str, size: int) -> SegmentTable:
    """The table of a variable that costs nothing."""
    zero = np.zeros(size, np.int64)
    return SegmentTable({name: size}, zero, zero, np.ones(size, np.bool_))
