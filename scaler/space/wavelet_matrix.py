"""Counting, selecting and maxima within ranges of an array, for many ranges at once: a wavelet matrix and a sparse table.

Source: Claude, Navarro and Ordonez, "The wavelet matrix: an efficient wavelet tree for large alphabets", Inf. Syst. 47 (2015).
"""

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Floats, Ints


class RangeIndex:
    """Elements with a rank and a weight each, at fixed positions: counts and selects by rank within ranges of positions.

    Args:
        ranks: shape (n,), from 0; those within a range that is asked for must differ.
        weights: shape (n,), positive, or None for 1 each.
    """

    def __init__(self, ranks: Ints, weights: Ints | None = None) -> None:
        self._positions = np.arange(len(ranks))  # of the elements, in the order of the last level
        self._bits = max(1, int(ranks.max(initial=0)).bit_length())
        self._zeros: list[Ints] = []  # of each level: how many elements before each place have a 0 in the level's bit
        self._weights = None if weights is None else [_prefix_sums(weights)]
        for bit in reversed(range(self._bits)):
            is_zero = (ranks >> bit) & 1 == 0
            self._zeros.append(_prefix_sums(is_zero))
            order = np.concatenate([np.flatnonzero(is_zero), np.flatnonzero(~is_zero)])
            ranks, self._positions = ranks[order], self._positions[order]
            if weights is not None and self._weights is not None:
                weights = weights[order]
                self._weights.append(_prefix_sums(weights))

    def within(self, start: Ints, stop: Ints) -> Ints:
        """Return the weight of the elements at positions [start, stop); all arrays have shape (queries,), as below."""
        return self._weight_before(0, stop) - self._weight_before(0, start)

    def below(self, start: Ints, stop: Ints, rank: Ints) -> Ints:
        """Return the weight of the elements at positions [start, stop) whose rank is below ``rank``."""
        return np.where(rank >> self._bits, self.within(start, stop), self._below(start, stop, rank))

    def select(self, start: Ints, stop: Ints, target: Ints) -> tuple[Ints, Ints]:
        """Return the element at which the weight exceeds ``target``, summed over positions [start, stop) in order of rank.

        Returns:
            The element's position, and ``target`` less the weight of the elements before it.
        """
        for level, zeros in enumerate(self._zeros):
            low, high = zeros[start], zeros[stop]
            weight = self._weight_before(level + 1, high) - self._weight_before(level + 1, low)
            is_one = target >= weight
            target = target - np.where(is_one, weight, 0)
            start = np.where(is_one, zeros[-1] + start - low, low)
            stop = np.where(is_one, zeros[-1] + stop - high, high)
        return self._positions[start], target

    def _below(self, start: Ints, stop: Ints, rank: Ints) -> Ints:
        """`below`, of ranks with no more bits than those of the elements."""
        found = np.zeros(len(start), np.int64)
        for level, zeros in enumerate(self._zeros):
            low, high = zeros[start], zeros[stop]
            is_one = ((rank >> (self._bits - 1 - level)) & 1).astype(bool)
            found += np.where(is_one, self._weight_before(level + 1, high) - self._weight_before(level + 1, low), 0)
            start = np.where(is_one, zeros[-1] + start - low, low)
            stop = np.where(is_one, zeros[-1] + stop - high, high)
        return found

    def _weight_before(self, level: int, place: Ints) -> Ints:
        """The weight of the elements before each place, in the order of ``level``."""
        return place if self._weights is None else self._weights[level][place]


def _prefix_sums(values: Ints | NDArray[np.bool_]) -> Ints:
    """The sums of the first 0, 1, ..., n of ``values``."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


class RangeMax:
    """The greatest of ``values`` in any range of at most ``longest`` positions: a sparse table.

    Source: Bender and Farach-Colton, "The LCA problem revisited", LATIN 2000, section 3.
    """

    def __init__(self, values: Floats, longest: int) -> None:
        self._levels = [values]  # level k, position i: the greatest of values[i:i + 2 ** k]
        for level in range(longest.bit_length() - 1):
            last = self._levels[-1]
            self._levels.append(np.maximum(last[: -(1 << level)], last[1 << level :]))

    def __call__(self, start: Ints, stop: Ints) -> Floats:
        """Return the greatest value of each range [start, stop), none of them empty; all arrays have shape (queries,)."""
        level = np.frexp(stop - start)[1] - 1
        found = np.empty(len(start))
        for k in np.unique(level):
            at_level = level == k
            found[at_level] = np.maximum(self._levels[k][start[at_level]], self._levels[k][stop[at_level] - (1 << k)])
        return found
