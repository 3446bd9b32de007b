"""The cost of a network's parts, by fvcore's conventions, without building them.

One multiply-add is one FLOP; norm and pooling elements count as fvcore counts them; batch 1. Every argument may be an
integer or a NumPy integer array, so one description costs a single architecture and millions of them alike.

Source of the rules: fvcore 0.1.5, ``fvcore/nn/jit_handles.py`` (eval mode, affine norms).
"""

from typing import Any, NamedTuple

import numpy as np

Number = Any  # int or a NumPy integer array: the arithmetic is the same


class Cost(NamedTuple):
    """The cost of a whole network. ``flops`` at batch 1 and the network's own resolution."""

    flops: int
    params: int


class Part(NamedTuple):
    """One operator of a network. It runs ``times`` times; ``copies`` sets of its parameters exist.

    ``kind``: of operators that take the same time for the same FLOPs and parameters (see `scaler.cost.latency`).
    ``shape``: of a weight, (outputs, inputs of each); of attention, (queries, keys of each); empty for other operators.
    """

    name: str
    flops: Number
    params: Number
    times: Number = 1
    copies: Number | None = None
    kind: str = ""
    shape: tuple[Number, ...] = ()

    @property
    def total(self) -> tuple[Number, Number]:
        """(FLOPs, parameters) of all runs and all copies."""
        copies = self.times if self.copies is None else self.copies
        return self.flops * self.times, self.params * copies


def conv(name: str, fan_in: Number, dim: Number, kernel: int, side: Number, times: Number = 1) -> Part:
    """Convolution without bias to ``dim`` channels on a ``side`` x ``side`` map; ``fan_in`` channels per group."""
    weights = fan_in * dim * (kernel * kernel)
    grouped = isinstance(fan_in, int) and fan_in == 1
    kind = "depthwise" if grouped else f"conv{kernel}"
    return Part(name, weights * (side * side), weights, times, kind=kind, shape=(dim, fan_in))


def batch_norm(name: str, dim: Number, side: Number, times: Number = 1) -> Part:
    return Part(name, 2 * dim * (side * side), 2 * dim, times, kind="batch_norm")


def layer_norm(name: str, tokens: Number, dim: Number, times: Number = 1) -> Part:
    return Part(name, 5 * tokens * dim, 2 * dim, times, kind="layer_norm")


def linear(name: str, tokens: Number, dim_in: Number, dim_out: Number, times: Number = 1, copies: Number | None = None) -> Part:
    """Linear layer with bias on ``tokens`` tokens; ``copies`` of it where several runs share one."""
    weights = dim_in * dim_out
    return Part(name, tokens * weights, weights + dim_out, times, copies, "linear", (dim_out, dim_in))


def attention(name: str, tokens: Number, window: Number, dim: Number, times: Number = 1) -> Part:
    """Both products of self-attention: ``tokens`` queries in all, each over the ``window`` keys of its own window."""
    return Part(name, 2 * tokens * window * dim, 0, times, kind="attention", shape=(tokens, window))


def head_transforms(name: str, logits: Number, heads: Number, times: Number = 1, *, bias: bool) -> tuple[Part, Part]:
    """A linear map across heads before the softmax and one after it, on ``logits`` pairs of query and key."""
    flops, params = logits * heads * heads, heads * heads + (heads if bias else 0)
    before = Part(f"{name}.pre", flops, params, times, kind="head_transform")
    return before, before._replace(name=f"{name}.post")


def lookup_table(name: str, params: Number, times: Number = 1) -> Part:
    """Parameters that are looked up, not multiplied."""
    return Part(name, 0, params, times, kind="table")


def pool(name: str, elements: Number) -> Part:
    """Average pooling: one per input element."""
    return Part(name, elements, 0, kind="pool")


def truncate(value: Number) -> Number:
    """``int(value)``, for one number or an array: how networks turn a ratio into a number of channels."""
    return value.astype(np.int64) if isinstance(value, np.ndarray) else int(value)


def ceil_to(value: Number, multiple: Number) -> Number:
    """The least multiple of ``multiple`` that is at least ``value``: a map's side after padding to whole windows."""
    return -(-value // multiple) * multiple


def smaller(left: Number, right: Number) -> Number:
    """The smaller of two numbers, or of each pair where one is an array."""
    return np.minimum(left, right) if isinstance(left, np.ndarray) or isinstance(right, np.ndarray) else min(left, right)


def total(parts: list[Part]) -> tuple[Number, Number]:
    """(FLOPs, parameters) summed over ``parts``."""
    flops: Number = 0
    params: Number = 0
    for part in parts:
        part_flops, part_params = part.total
        flops, params = flops + part_flops, params + part_params
    return flops, params
