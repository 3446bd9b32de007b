"""Encodings of sparse logits on disk.

``fp16`` stores the gaps as 16-bit floats; ``compact`` takes 60 % of the bytes of TinyViT's format or less. docs/distillation.md
has the measured bytes and errors of each.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.logits.sparse_logits import SparseLogits

Array = NDArray[Any]
Columns = Mapping[str, Array]  # by name, (rows,) or (rows, width)
ColumnTypes = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]  # by name: dtype, and shape of a row


class Encoding(Protocol):
    """An encoding of `SparseLogits` of ``topk`` out of ``num_classes`` classes."""

    def __init__(self, topk: int, num_classes: int) -> None: ...

    def layout(self) -> ColumnTypes:
        """Return the columns that `encode` makes."""

    def encode(self, sparse_logits: SparseLogits) -> dict[str, Array]:
        """Return ``sparse_logits`` as columns."""

    def decode(self, columns: Columns) -> SparseLogits:
        """Return the sparse logits that `encode` made ``columns`` of, as far as its precision goes."""


class Half:
    """Gaps as 16-bit floats, classes as 16- or 32-bit integers."""

    def __init__(self, topk: int, num_classes: int) -> None:
        self.topk = topk
        self.dtype = np.dtype(np.uint16 if num_classes <= 1 << 16 else np.uint32)

    def layout(self) -> ColumnTypes:
        return {
            "classes": (self.dtype, (self.topk,)),
            "gap": (np.dtype(np.float16), (self.topk,)),
            "rest": (np.dtype(np.float32), ()),
        }

    def encode(self, sparse_logits: SparseLogits) -> dict[str, Array]:
        classes, gap, rest = (column.numpy() for column in sparse_logits)
        return {
            "classes": classes.astype(self.dtype),
            "gap": np.minimum(gap, np.finfo(np.float16).max).astype(np.float16),
            "rest": rest.astype(np.float32),
        }

    def decode(self, columns: Columns) -> SparseLogits:
        classes, gap = columns["classes"].astype(np.int64), columns["gap"].astype(np.float32)
        return SparseLogits(*map(torch.from_numpy, (classes, gap, columns["rest"])))


class Compact:
    """Gaps as 8 bits on a logarithmic scale, classes in Elias and Fano's code of an increasing sequence.

    A class is 256 high + low. The low bytes are stored as they are. The high parts, in increasing order, become a row of bits in
    which the j-th one bit stands at place high[j] + j. A row takes K bytes and K + (C - 1) / 256 bits, whatever the classes are.
    """

    # exp(-24) is 4e-11. The step is 0.013 at gap 0 and grows with the gap: probable classes are stored more precisely.
    _LARGEST = 24.0
    _STEP = math.log1p(_LARGEST) / 255

    def __init__(self, topk: int, num_classes: int) -> None:
        self.topk = topk
        bits = topk + (num_classes - 1) // 256
        self.high_bytes = -(-bits // 8) if num_classes > 256 else 0
        self.gaps = np.expm1(np.arange(256) * self._STEP).astype(np.float32)

    def layout(self) -> ColumnTypes:
        byte = np.dtype(np.uint8)
        high: ColumnTypes = {"high": (byte, (self.high_bytes,))} if self.high_bytes else {}
        return {"low": (byte, (self.topk,)), **high, "gap": (byte, (self.topk,)), "rest": (np.dtype(np.float16), ())}

    def encode(self, sparse_logits: SparseLogits) -> dict[str, Array]:
        increasing = sparse_logits.classes.argsort(dim=1)
        classes = sparse_logits.classes.gather(1, increasing).numpy()
        gap = sparse_logits.gap.gather(1, increasing).numpy()
        steps = np.log1p(np.minimum(gap, self._LARGEST)) / self._STEP
        columns = {
            "low": (classes & 255).astype(np.uint8),
            "gap": np.rint(steps).astype(np.uint8),
            "rest": sparse_logits.rest.numpy().astype(np.float16),
        }
        return columns | ({"high": self._ones(classes >> 8)} if self.high_bytes else {})

    def decode(self, columns: Columns) -> SparseLogits:
        classes = columns["low"].astype(np.int64)
        if self.high_bytes:
            classes += self._high(columns["high"]) << 8
        return SparseLogits(*map(torch.from_numpy, (classes, self.gaps[columns["gap"]], columns["rest"].astype(np.float32))))

    def _ones(self, high: Array) -> Array:
        """Return the packed bits of increasing ``high`` parts (rows, K)."""
        bits = np.zeros((len(high), 8 * self.high_bytes), np.bool_)
        np.put_along_axis(bits, high + np.arange(self.topk), True, axis=1)
        return np.packbits(bits, axis=1)

    def _high(self, packed: Array) -> Array:
        """Return the high parts (rows, K) that `_ones` packed."""
        places = np.flatnonzero(np.unpackbits(packed)).reshape(-1, self.topk)
        starts = np.arange(len(packed))[:, None] * (8 * self.high_bytes)
        return places - starts - np.arange(self.topk)


ENCODINGS: dict[str, type[Encoding]] = {"compact": Compact, "fp16": Half}
