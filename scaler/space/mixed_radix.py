"""Combinations of choices as single integers, in mixed radix."""

from collections.abc import Mapping
from math import prod

import numpy as np

from scaler.arrays import Ints
from scaler.errors import ScalerError


def encode(digits: Mapping[str, Ints], radix: Mapping[str, int], length: int) -> Ints:
    """The part of a mixed-radix code over ``radix`` that the variables in ``digits`` make up."""
    code = np.zeros(length, np.int64)
    stride = prod(radix.values())
    if stride >= 1 << 62:
        raise ScalerError(f"the space couples too many choices at once ({list(radix)}): narrow one of these axes")
    for name, size in radix.items():
        stride //= size
        if name in digits:
            code += digits[name] * stride
    return code


def decode(code: Ints, radix: Mapping[str, int]) -> dict[str, Ints]:
    digits: dict[str, Ints] = {}
    for name, size in reversed(list(radix.items())):
        code, digits[name] = np.divmod(code, size)
    return digits
