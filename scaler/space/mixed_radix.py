"""Combinations of choices as single integers, in mixed radix: the last variable's choice varies fastest."""

from collections.abc import Mapping
from math import prod

import numpy as np

from scaler.arrays import Ints
from scaler.errors import ScalerError


def encode(choices: Mapping[str, Ints], sizes: Mapping[str, int], length: int) -> Ints:
    """Return the codes of ``length`` combinations, shape (length,).

    Args:
        choices: indices of shape (length,), by variable. Variables that are not in ``sizes`` are ignored, and those of ``sizes``
            that are not here count as their first choice, so that codes of disjoint variables add up.
        sizes: the number of choices of each variable of the code, in order.

    Raises:
        ScalerError: the codes do not fit into 64-bit integers.
    """
    code = np.zeros(length, np.int64)
    stride = prod(sizes.values())
    if stride >= 1 << 62:
        raise ScalerError(f"the space couples too many choices at once ({list(sizes)}): narrow one of these axes")
    for name, size in sizes.items():
        stride //= size
        if name in choices:
            code += choices[name] * stride
    return code


def decode(code: Ints, sizes: Mapping[str, int]) -> dict[str, Ints]:
    """Return the choices of each variable of ``sizes`` in the combinations ``code``, as `encode` numbers them."""
    choices: dict[str, Ints] = {}
    for name, size in reversed(list(sizes.items())):
        code, choices[name] = np.divmod(code, size)
    return choices
