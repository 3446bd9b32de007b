"""The costs of many architectures, at tens of millions a second.

A point of a space is a row of indices, so the cell of a segment's table that it falls in is one product of the row with fixed
strides. Neighbouring segments share one table where that stays small: fewer look-ups, and all tables fit in the cache.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Ints
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import FLOPS_AND_PARAMS, Costs, SegmentTable, fused, segment_tables

# Measured on TinyViT-21M's space: larger tables or slices leave the processor's cache and halve the speed.
_CELLS = 1 << 16
_SLICE = 1 << 14


class CostTable:
    """Looks up the cost of any point of a space.

    Args:
        costs: the two costs, of those in `SearchSpace.price`.
    """

    def __init__(self, space: SearchSpace, costs: Costs = FLOPS_AND_PARAMS) -> None:
        tables = [fused(group) for group in _groups(segment_tables(space, costs))]
        # Shape (variables, tables), in float64: exact for every code, and only for floats is the matrix product fast.
        self._strides = np.array([_strides(table, space) for table in tables], np.float64).T
        self._costs = [np.stack([table.flops, table.params], axis=1) for table in tables]  # each (cells, 2)

    def __call__(self, points: NDArray[np.integer]) -> tuple[Ints, Ints]:
        """Return both costs of ``points``, each of shape (n,).

        Args:
            points: shape (n, variables), indices into each variable's choices; int8 is fastest. The cost of a combination
                that cannot be built is meaningless.
        """
        costs = np.zeros((len(points), 2), np.int64)
        for at in range(0, len(points), _SLICE):
            codes = (points[at : at + _SLICE] @ self._strides).T.astype(np.intp)
            for table, code in zip(self._costs, codes, strict=True):
                costs[at : at + _SLICE] += table.take(code, axis=0)
        return costs[:, 0], costs[:, 1]


def _groups(tables: list[SegmentTable]) -> list[list[SegmentTable]]:
    """The tables in order, grouped so that the table of each group stays small."""
    groups: list[list[SegmentTable]] = []
    for table in tables:
        if groups and _cells([*groups[-1], table]) <= _CELLS:
            groups[-1].append(table)
        else:
            groups.append([table])
    return groups


def _cells(tables: list[SegmentTable]) -> int:
    return prod({name: size for table in tables for name, size in table.sizes.items()}.values())


def _strides(table: SegmentTable, space: SearchSpace) -> list[int]:
    """By how many cells of ``table`` one step of each variable's index moves; 0 for variables that it does not read."""
    names = list(table.sizes)
    return [prod(list(table.sizes.values())[names.index(name) + 1 :]) if name in names else 0 for name in space.variables]
