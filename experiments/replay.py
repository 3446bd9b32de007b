"""Augmentation and order as a pure function of (seed, epoch, index).

The same pixels come out for any number of workers and after a resume.
Every random draw of timm's transforms comes from one of three global generators. They are set, for each image, from a key that is
computed here in plain integers, so that no library's version changes it.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from timm.data import auto_augment

from experiments.data import ImageSet

_MASK = (1 << 64) - 1
Item = tuple[int, int]  # (epoch, index)


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


def epoch_order(seed: int, epoch: int, length: int) -> NDArray[np.int64]:
    """The order of an epoch: a permutation of ``length`` indices."""
    with np.errstate(over="ignore"):
        value = np.arange(length, dtype=np.uint64) ^ np.uint64(key(seed, epoch))
        value = (value + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(_MASK)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(value ^ (value >> np.uint64(31)), kind="stable")


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


class ReplayedSet(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """``images`` under ``transform``; an item is asked for by (epoch, index) and depends on those and ``seed`` alone."""

    def __init__(self, images: ImageSet, transform: Callable[[Image.Image], torch.Tensor], seed: int) -> None:
        self.images, self.transform, self.seed = images, transform, seed
        self.labels = images.labels.tolist()

    def __getitem__(self, item: Item) -> tuple[torch.Tensor, int]:
        epoch, index = item
        set_generators(key(self.seed, epoch, index))
        return self.transform(self.images.image(index)), self.labels[index]

    def __len__(self) -> int:
        return len(self.images)


def _guard_posterize() -> None:
    """timm 1.0.31 posterizes to 0 bits once in 500 images, which Pillow 13 refuses and Pillow 12 drew black: keep one bit."""
    operations: dict[str, Any] = auto_augment.NAME_TO_OP
    for name in [name for name in operations if name.startswith("Posterize")]:
        operations[name] = _posterize


def _posterize(image: Image.Image, bits: int, **_: Any) -> Image.Image:
    return image if bits >= 8 else ImageOps.posterize(image, max(1, bits))


# At import, since a worker that is spawned, not forked, gets its set unpickled: no constructor runs there.
_guard_posterize()
