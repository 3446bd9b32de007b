"""The order of an epoch as a pure function of (seed, epoch)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.data.seeding import Indices, key


def splitmix64s(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`splitmix64` of every element."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class EpochOrder:
    """``indices`` in the order of an epoch; of the first ``paired``, those at 2j and 2j + 1 are partners that may be mixed."""

    indices: Indices
    paired: int

    def only(self, length: int) -> tuple["EpochOrder", Indices]:
        """The order of the indices below ``length``, a part's end, and at which places of this order they stand."""
        places = np.flatnonzero(self.indices < length)
        return EpochOrder(self.indices[places], int((places < self.paired).sum())), places

    def repeated(self, times: int, images: int) -> "EpochOrder":
        """As many views as before, to whole pairs, of so many ``times`` fewer of the ``images``: repeated augmentation.

        A pair's views follow one another. The index of an image's further views is its own plus multiples of ``images``.
        """
        pairs = self.indices[: self.paired].reshape(-1, 2)[: len(self.indices) // (2 * times)]
        views = pairs[:, None] + images * np.arange(times)[None, :, None]
        return EpochOrder(views.ravel(), views.size)


def epoch_order(seed: int, epoch: int, parts: Sequence[int]) -> EpochOrder:
    """A random order of the indices 0 ... sum(parts) - 1.

    Partners are of the same part, so that no held-out image is mixed into one for training, and the order of the first parts
    alone is this order with the others left out: what is stored for all serves those who train on a part. The last of a part of
    odd length has no partner and stands at the end.
    """
    pairs, singles, ranks, start = [], [], [], 0
    for part, length in enumerate(parts):
        members = start + np.argsort(_ranks(key(seed, epoch, part, 0), length), kind="stable")
        pairs.append(members[: length // 2 * 2].reshape(-1, 2))
        singles.append(members[length // 2 * 2 :])
        ranks.append(_ranks(key(seed, epoch, part, 1), length // 2))
        start += length
    together = np.concatenate(pairs)[np.argsort(np.concatenate(ranks), kind="stable")].ravel()
    return EpochOrder(np.concatenate([together, *singles]), len(together))


def _ranks(salt: int, length: int) -> NDArray[np.uint64]:
    return splitmix64s(np.arange(length, dtype=np.uint64) ^ np.uint64(salt))
