"""Counting and selecting by rank within ranges: a wavelet matrix in NumPy.

Source: Claude, Navarro and Ordonez, "The wavelet matrix: an efficient wavelet tree for large alphabets", Inf. Syst. 47 (2015).
"""

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Floats, Ints


class RangeIndex:
    """Ranks, each with a weight, in a fixed order, that answers about any range of positions at once for many queries.

    Args:
        ranks: shape (n,), from 0; those within a range that is asked about must differ.
        weights: shape (n,), positive, or None for 1 each.
    """

    def __init__(self, ranks: Ints, weights: Ints | None = None) -> None:
        self._positions = np.arange(len(ranks))  # of the elements, in the order of the last level
        self._bits = max(1, int(ranks.max(initial=0)).bit_length())
        self._zeros: list[Ints] = []
        self._weights = None if weights is None else [_prefix(weights)]
        for bit in reversed(range(self._bits)):
            is_zero = (ranks >> bit) & 1 == 0
            self._zeros.append(_prefix(is_zero))
            order = np.concatenate([np.flatnonzero(is_zero), np.flatnonzero(~is_zero)])
            ranks, self._positions = ranks[order], self._positions[order]
            if weights is not None and self._weights is not None:
                weights = weights[order]
                self._weights.append(_prefix(weights))

    def within(self, start: Ints, stop: Ints) -> Ints:
        """The weight of all elements in positions [start, stop) of each range; both have shape (queries,), as below."""
        return self._weigh(0, stop) - self._weigh(0, start)

    def below(self, start: Ints, stop: Ints, rank: Ints) -> Ints:
        """The weight of elements in positions [start, stop) whose rank is under ``rank``."""
        return np.where(rank >> self._bits, self.within(start, stop), self._below(start, stop, rank))

    def select(self, start: Ints, stop: Ints, target: Ints) -> tuple[Ints, Ints]:
        """In each range, in order of rank, the element at which the weight summed so far passes ``target``.

        Returns:
            The element's position, and what is left of ``target`` within that element's weight.
        """
        for level, zeros in enumerate(self._zeros):
            low, high = zeros[start], zeros[stop]
            weight = self._weigh(level + 1, high) - self._weigh(level + 1, low)
            right = target >= weight
            target = target - np.where(right, weight, 0)
            start = np.where(right, zeros[-1] + start - low, low)
            stop = np.where(right, zeros[-1] + stop - high, high)
        return self._positions[start], target

    def _below(self, start: Ints, stop: Ints, rank: Ints) -> Ints:
        found = np.zeros(len(start), np.int64)
        for level, zeros in enumerate(self._zeros):
            low, high = zeros[start], zeros[stop]
            right = ((rank >> (self._bits - 1 - level)) & 1).astype(bool)
            found += np.where(right, self._weigh(level + 1, high) - self._weigh(level + 1, low), 0)
            start = np.where(right, zeros[-1] + start - low, low)
            stop = np.where(right, zeros[-1] + stop - high, high)
        return found

    def _weigh(self, level: int, end: Ints) -> Ints:
        return end if self._weights is None else self._weights[level][end]


def _prefix(values: Ints | NDArray[np.bool_]) -> Ints:
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


class RangeMax:
    """The greatest of ``values`` in any range of at most ``longest`` positions, for many ranges at once: a sparse table.

    Source: Bender and Farach-Colton, "The LCA problem revisited", LATIN 2000, section 3.
    """

    def __init__(self, values: Floats, longest: int) -> None:
        self._levels = [values]  # level k, position i: the greatest of values[i:i + 2 ** k]
        for level in range(longest.bit_length() - 1):
            last = self._levels[-1]
            self._levels.append(np.maximum(last[: -(1 << level)], last[1 << level :]))

    def __call__(self, start: Ints, stop: Ints) -> Floats:
        """For each range [start, stop), none of them empty; all have shape (queries,)."""
        level = np.frexp(stop - start)[1] - 1
        found = np.empty(len(start))
        for k in np.unique(level):
            some = level == k
            found[some] = np.maximum(self._levels[k][start[some]], self._levels[k][stop[some] - (1 << k)])
        return found
