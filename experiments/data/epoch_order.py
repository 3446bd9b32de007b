"""The order of an epoch as a pure function of (seed, epoch)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.data.seeding import Indices, key


def splitmix64s(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return `splitmix64` of every element."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class EpochOrder:
    """The order of an epoch.

    Attributes:
        indices: of the images, in order.
        paired: number of places at the beginning that hold pairs: places 2j and 2j + 1 are partners that may be mixed.
    """

    indices: Indices
    paired: int

    def only(self, length: int) -> tuple["EpochOrder", Indices]:
        """Return the order of the indices below ``length``, which ends a part, and their places in this order."""
        places = np.flatnonzero(self.indices < length)
        return EpochOrder(self.indices[places], int((places < self.paired).sum())), places

    def repeated(self, times: int, images: int) -> "EpochOrder":
        """Return the order of repeated augmentation: fewer pairs, ``times`` views of each, and about as many views as before.

        A pair's views follow one another. The further views of an image have its index plus multiples of ``images``, the number
        of all images.
        """
        pairs = self.indices[: self.paired].reshape(-1, 2)[: len(self.indices) // (2 * times)]
        views = pairs[:, None] + images * np.arange(times)[None, :, None]
        return EpochOrder(views.ravel(), views.size)


def epoch_order(seed: int, epoch: int, parts: Sequence[int]) -> EpochOrder:
    """Return a random order of the indices 0 ... sum(parts) - 1.

    Partners belong to the same part, so no held-out image is mixed into a training image. The order of the first parts alone is
    this order without the other parts, so logits that are stored for all parts also serve a training on the first ones. The last
    image of a part of odd length has no partner and stands at the end.
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
    """Return ``length`` random numbers to sort by."""
    return splitmix64s(np.arange(length, dtype=np.uint64) ^ np.uint64(salt))
