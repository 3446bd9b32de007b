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

Costs = tuple[str, str]


FLOPS_AND_PARAMS: Costs = ("flops", "params")


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


def segment_tables(space: SearchSpace, costs: Costs = FLOPS_AND_PARAMS) -> list[SegmentTable]:
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
    digits = decode(np.arange(cells), sizes)
    flops, params, buildable = np.zeros(cells, np.int64), np.zeros(cells, np.int64), np.ones(cells, np.bool_)
    for table in tables:
        cell = encode(digits, table.sizes, cells)
        flops, params, buildable = flops + table.flops[cell], params + table.params[cell], buildable & table.buildable[cell]
    return SegmentTable(sizes, flops, params, buildable)


def _free(name: str, size: int) -> SegmentTable:
    zero = np.zeros(size, np.int64)
    return SegmentTable({name: size}, zero, zero, np.ones(size, np.bool_))
