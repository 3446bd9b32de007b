"""The functions that networks call, answered with labels instead of numbers."""

from collections.abc import Callable
from typing import Any

import torch

from models.inheritance.labels import ChannelLabels, is_labelled, narrowed
from scaler.errors import ScalerError


def _along(labels: torch.Tensor, axis: int, shape: tuple[int, ...]) -> torch.Tensor:
    return labels.view([-1 if dim == axis % len(shape) else 1 for dim in range(len(shape))]).expand(shape)


def _linear(trace: ChannelLabels, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    trace.note(weight, 1, trace.channels(x, -1))
    return _along(_output(trace, weight, bias), -1, (*x.shape[:-1], len(weight)))


def _conv2d(
    trace: ChannelLabels, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, *geometry: Any
) -> torch.Tensor:
    """Dense or depthwise; ``geometry`` is stride, padding, dilation and groups."""
    groups = geometry[3] if len(geometry) > 3 else 1
    like = [torch.empty(tensor.shape, device="meta") for tensor in (x, weight)]
    shape = tuple(torch.conv2d(like[0], like[1], None, *geometry).shape)
    if groups == 1:
        trace.note(weight, 1, trace.channels(x, 1))
        return _along(_output(trace, weight, bias), 1, shape)
    if groups != len(weight) or groups != x.shape[1]:
        raise ScalerError(f"{trace.name(weight)}: a convolution in {groups} groups is neither dense nor depthwise")
    labels = trace.channels(x, 1)
    return _along(_output(trace, weight, bias, labels), 1, shape)


def _output(
    trace: ChannelLabels, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """The labels that a layer writes: new ones where it mixes channels."""
    labels = trace.fresh(len(weight)) if labels is None else labels
    trace.note(weight, 0, labels)
    trace.note(bias, 0, labels)
    trace.written(trace.name(weight) or "", labels)
    return labels


def _layer_norm(
    trace: ChannelLabels, x: torch.Tensor, shape: Any, weight: Any = None, bias: Any = None, *rest: Any, **options: Any
) -> torch.Tensor:
    labels = trace.channels(x, -1)
    trace.note(weight, 0, labels)
    trace.note(bias, 0, labels)
    return _along(labels, -1, tuple(x.shape))


def _batch_norm(
    trace: ChannelLabels, x: torch.Tensor, mean: Any, var: Any, weight: Any, bias: Any, *rest: Any, **options: Any
) -> torch.Tensor:
    labels = trace.channels(x, 1)
    for tensor in (mean, var, weight, bias):
        trace.note(tensor, 0, labels)
    trace.fold(trace.name(weight) or "", labels)
    return _along(labels, 1, tuple(x.shape))


def _elementwise(trace: ChannelLabels, x: Any, y: Any = None, *rest: Any, **options: Any) -> torch.Tensor:
    """A sum or product joins what it is of; numbers and masks change no channel."""
    tensors = [value for value in (x, y) if isinstance(value, torch.Tensor)]
    labels = [value if is_labelled(value) else value.new_zeros(value.shape, dtype=torch.float64) for value in tensors]
    return trace.joined(*labels) if len(labels) == 2 else labels[0]


def _getitem(trace: ChannelLabels, x: torch.Tensor, index: Any) -> torch.Tensor:
    """Places that are looked up by an index, as those of a table of positions, are no channels: all along them are one."""
    listed = index if isinstance(index, tuple) else (index,)
    dims = [dim for dim, entry in enumerate(listed) if isinstance(entry, torch.Tensor)]
    if len(dims) != 1 or any(entry != slice(None) for entry in listed[: dims[0]]) or len(listed) > dims[0] + 1:
        return x[index]
    (dim,), places = dims, listed[-1].shape
    one = _collapsed(trace, x, dim).unflatten(dim, (1,) * len(places))
    return one.expand(*x.shape[:dim], *places, *x.shape[dim + 1 :])


def _same(trace: ChannelLabels, x: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
    return x


def _matmul(trace: ChannelLabels, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """All that is summed over is one: the channels of a head, and the tokens that a head attends to."""
    left = _collapsed(trace, a, -1)
    shape = (*a.shape[:-1], b.shape[-1])
    table = trace.name(b)
    if table is None:
        return trace.joined(left, _collapsed(trace, b, -2)).expand(shape)
    trace.in_heads[table, trace.elements[table].ndim - 2] = left.flatten()
    return left.expand(shape)


def _collapsed(trace: ChannelLabels, x: torch.Tensor, dim: int) -> torch.Tensor:
    x = narrowed(x)
    greatest = x.amax(dim, keepdim=True)
    trace.join(x, greatest.expand_as(x))
    return greatest


def _attend(
    trace: ChannelLabels, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: Any = None, **options: Any
) -> torch.Tensor:
    logits = _matmul(trace, query, key.transpose(-2, -1))
    if attn_mask is not None:
        logits = _elementwise(trace, logits, attn_mask)
    return _matmul(trace, logits, value)


# By the names of the functions that torch passes to a TorchFunctionMode: those that take weights, ...
LAYERS: dict[str, Callable[..., torch.Tensor]] = {
    "linear": _linear,
    "conv2d": _conv2d,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
}
# ... and those of activations. All others move labels as they move numbers.
ACTIVATIONS: dict[str, Callable[..., torch.Tensor]] = {
    "matmul": _matmul,
    "scaled_dot_product_attention": _attend,
    "__getitem__": _getitem,
    **dict.fromkeys(("add", "add_", "sub", "mul", "mul_", "div"), _elementwise),
    **dict.fromkeys(("softmax", "dropout", "gelu", "relu", "silu", "sigmoid", "hardswish"), _same),
}
