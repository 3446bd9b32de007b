"""Random draws as a pure function of (seed, epoch, index).

Every random draw of timm's transforms comes from one of three global generators. They are seeded for each image with a key that
is computed here in plain integers, so that no library's version changes it.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
Indices = NDArray[np.int64]


def splitmix64(value: int) -> int:
    """Return one step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection of 64-bit integers that mixes well."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def key(*parts: int) -> int:
    """Return a 64-bit key of any number of integers, which depends on their order."""
    mixed = 0
    for part in parts:
        mixed = splitmix64(mixed ^ (part & _MASK))
    return mixed


def set_generators(seed: int, device: torch.device | None = None) -> None:
    """Seed the global generators of Python, NumPy and PyTorch, and the generator of ``device`` if it has its own."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002 - timm draws from this generator
    torch.default_generator.manual_seed(seed & (_MASK >> 1))
    if device is not None and device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed & (_MASK >> 1))


@contextmanager
def restored_generators() -> Iterator[None]:
    """Restore the three global generators at the end."""
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
        torch.set_rng_state(state[2])
