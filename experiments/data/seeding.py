"""Random draws as a pure function of (seed, epoch, index).

Every random draw of timm's transforms comes from one of three global generators. They are set, for each image, from a key that is
computed here in plain integers, so that no library's version changes it; and so is the order of an epoch.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
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


def set_generators(seed: int, device: torch.device | None = None) -> None:
    """Set Python's, NumPy's and PyTorch's global generators, and that of ``device`` where it has its own (not in workers)."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002 - timm draws from this one
    torch.default_generator.manual_seed(seed & (_MASK >> 1))
    if device is not None and device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed & (_MASK >> 1))


@contextmanager
def restored_generators() -> Iterator[None]:
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
