"""Random draws as a pure function of (seed, epoch, index).

Every random draw of timm's transforms comes from one of three global generators. They are set, for each image, from a key that is
computed here in plain integers, so that no library's version changes it; and so is the order of an epoch.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from timm.data import auto_augment

_MASK = (1 << 64) - 1
Indices = NDArray[np.int64]


def splitmix64(value: int) -> int:
    """One step of Steele, Lea and Flood's SplitMix64 (OOPSLA 2014): a bijection of 64-bit integers that mixes well."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def key(*parts: int) -> int:
    """A 64-bit key from any number of integers, their order included."""
    mixed = 0
    for part in parts:
        mixed = splitmix64(mixed ^ (part & _MASK))
    return mixed


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


def set_generators(seed: int, device: torch.device | None = None) -> None:
    """Set Python's, NumPy's and PyTorch's global generators, and that of ``device`` where it has its own (not in workers)."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002 - timm draws from this one
    torch.default_generator.manual_seed(seed & (_MASK >> 1))
    if device is not None and device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed & (_MASK >> 1))


@contextmanager
def generators_restored() -> Iterator[None]:
    """Put the three global generators back as they were, at the end."""
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
        torch.set_rng_state(state[2])


def _guard_posterize() -> None:
    """timm 1.0.31 posterizes to 0 bits once in 500 images, which Pillow 13 refuses and Pillow 12 drew black: keep one bit."""
    operations: dict[str, Any] = auto_augment.NAME_TO_OP
    for name in [name for name in operations if name.startswith("Posterize")]:
        operations[name] = _posterize


def _posterize(image: Image.Image, bits: int, **_: Any) -> Image.Image:
    return image if bits >= 8 else ImageOps.posterize(image, max(1, bits))


# At import, since a worker that is spawned, not forked, gets its set unpickled: no constructor runs there.
_guard_posterize()
