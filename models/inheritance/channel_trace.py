"""One forward pass that finds out which entries of which tensors are the same channel.

The network runs on labels in place of numbers: every channel that a layer writes gets a label of its own, and whatever joins two
channels (an addition, a norm, a product of queries and keys) notes that their labels belong together. Reshaping, transposing,
rolling and concatenating move labels as they move numbers, so windows, merged neighbours and the rows of fused projections need
no description. The labels that belong together are one channel, or one attention head.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from models.common.multiplexing import HeadTransform
from scaler.errors import ScalerError

Site = tuple[str, int]  # a tensor of the state dict, and one of its dimensions

# Above so many pairs, equal ones are dropped first. A matter of speed alone.
_FEW = 10_000


class ChannelTrace(TorchFunctionMode):
    """The functions that a network calls, answered with labels: float tensors that hold whole numbers, 0 for none.

    Attributes:
        sites: for every dimension along which a layer reads or writes channels, the label of each entry.
        elements: for every parameter that is used otherwise (positions, a class token), the label of each element.
        in_heads: dimensions that are contracted with the channels inside every head, and the labels of those heads.
        folded: for every convolution that a batch norm follows, the norm's module name.
        edges: pairs of labels that belong together, as (2, n) tensors.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.sites: dict[Site, torch.Tensor] = {}
        self.elements: dict[str, torch.Tensor] = {}
        self.in_heads: dict[Site, torch.Tensor] = {}
        self.folded: dict[str, str] = {}
        self.edges: list[torch.Tensor] = []
        self.count = 1
        self._names = {id(tensor): name for name, tensor in (*network.named_parameters(), *network.named_buffers())}
        self._storages: dict[int, str] = {}
        self._written: tuple[str, torch.Tensor] = ("", torch.empty(0))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        handler = _HANDLERS.get(name)
        if handler is not None:
            return handler(self, *args, **(kwargs or {}))
        if name == "__get__":  # an attribute, such as shape
            return func(*args, **(kwargs or {}))
        return func(*self.labels(args), **{key: self.labels(value) for key, value in (kwargs or {}).items()})

    def fresh(self, number: int) -> torch.Tensor:
        """``number`` labels that nothing has yet."""
        first, self.count = self.count, self.count + number
        return torch.arange(first, self.count, dtype=torch.float64)

    def labels(self, value: Any) -> Any:
        """The labels of a parameter's elements, alone or in a list; any other value as it is."""
        if type(value) in (list, tuple):
            return type(value)(map(self.labels, value))
        if not isinstance(value, nn.Parameter):
            return value
        name = self._names[id(value)]
        if name not in self.elements:
            self.elements[name] = self.fresh(value.numel()).view(value.shape)
            self._storages[self.elements[name].untyped_storage().data_ptr()] = name
        return self.elements[name]

    def name(self, tensor: torch.Tensor) -> str | None:
        """The name in the state dict of a parameter or buffer, or of one that ``tensor`` shows the labels of."""
        return self._names.get(id(tensor)) or self._storages.get(tensor.untyped_storage().data_ptr())

    def note(self, tensor: torch.Tensor | None, dim: int, labels: torch.Tensor) -> None:
        """Entries of ``tensor`` along ``dim`` are the channels called ``labels``."""
        if tensor is None:
            return
        name = self.name(tensor)
        if name is None:
            raise ScalerError("the network computes a layer's weights on the way: its channels cannot be traced")
        known = self.sites.setdefault((name, dim), labels)
        if known is not labels:
            self.join(known, labels)

    def channels(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        """The labels along ``axis``, those of all other places joined to them."""
        rows = _narrowed(x, keep=axis % x.ndim).movedim(axis, -1).reshape(-1, x.shape[axis]).round()
        greatest = rows.amax(0)
        if len(rows) > 1:
            self.join(rows, greatest.expand_as(rows))
        return greatest

    def join(self, a: torch.Tensor, b: torch.Tensor) -> None:
        """Labels at the same place belong together; 0 belongs to nothing."""
        pairs = torch.stack((torch.minimum(a, b).flatten(), torch.maximum(a, b).flatten())).round().long()
        pairs = pairs[:, (pairs[0] > 0) & (pairs[0] != pairs[1])]
        if pairs.shape[1] > _FEW:
            pairs = torch.cat((self._distinct(pairs), self._distinct(pairs.flip(0))), 1)
        if pairs.shape[1]:
            self.edges.append(pairs)

    def joined(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The labels of a sum."""
        a, b = _narrowed(x), _narrowed(y)
        shape = torch.broadcast_shapes(x.shape, y.shape)
        self.join(*torch.broadcast_tensors(a, b))
        for labels in sorted((a, b), key=torch.Tensor.numel):
            if bool((labels > 0).all()):
                return labels.expand(shape)
        return torch.maximum(a, b).expand(shape)

    def written(self, name: str, labels: torch.Tensor) -> None:
        self._written = (name, labels)

    def fold(self, norm: str, labels: torch.Tensor) -> None:
        """Note a batch norm of the channels that the last layer wrote."""
        name, last = self._written
        if last is labels or torch.equal(last, labels):
            self.folded[name] = norm.rpartition(".")[0]

    def _distinct(self, pairs: torch.Tensor) -> torch.Tensor:
        partner = torch.zeros(self.count, dtype=torch.long)
        partner[pairs[0]] = pairs[1]
        first = partner.nonzero().flatten()
        return torch.stack((first, partner[first]))


def trace_channels(network: nn.Module, image: tuple[int, int, int]) -> ChannelTrace:
    """Run ``network``, in eval mode, on the labels of one image (channels, rows, columns); its weights stay as they are.

    Raises:
        ScalerError: the network has a layer whose channels cannot be traced.
    """
    training = network.training
    trace = ChannelTrace(network)
    pixels = trace.fresh(image[0]).view(1, -1, 1, 1).expand(1, *image)
    with torch.no_grad(), trace:
        network.eval()(pixels)
    network.train()  # clears the tables that timm keeps in eval mode
    if not training:
        network.eval()
    for name, module in network.named_modules():
        if isinstance(module, HeadTransform):  # it mixes heads and keeps their order: rows and columns are the same heads
            trace.join(trace.sites[f"{name}.weight", 0], trace.sites[f"{name}.weight", 1])
    return trace


def _narrowed(x: torch.Tensor, keep: int = -1) -> torch.Tensor:
    """``x`` with one place of each dimension (but ``keep``) along which all are alike."""
    for dim in range(x.ndim):
        first = x.narrow(dim, 0, 1)
        if dim != keep and x.shape[dim] > 1 and (x.stride(dim) == 0 or bool((x == first).all())):
            x = first
    return x


def _along(labels: torch.Tensor, axis: int, shape: tuple[int, ...]) -> torch.Tensor:
    return labels.view([-1 if dim == axis % len(shape) else 1 for dim in range(len(shape))]).expand(shape)


def _linear(trace: ChannelTrace, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    trace.note(weight, 1, trace.channels(x, -1))
    return _along(_output(trace, weight, bias), -1, (*x.shape[:-1], len(weight)))


def _conv2d(
    trace: ChannelTrace, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, *geometry: Any
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
    trace: ChannelTrace, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """The labels that a layer writes: new ones where it mixes channels."""
    labels = trace.fresh(len(weight)) if labels is None else labels
    trace.note(weight, 0, labels)
    trace.note(bias, 0, labels)
    trace.written(trace.name(weight) or "", labels)
    return labels


def _layer_norm(
    trace: ChannelTrace, x: torch.Tensor, shape: Any, weight: Any = None, bias: Any = None, *rest: Any, **options: Any
) -> torch.Tensor:
    labels = trace.channels(x, -1)
    trace.note(weight, 0, labels)
    trace.note(bias, 0, labels)
    return _along(labels, -1, tuple(x.shape))


def _batch_norm(
    trace: ChannelTrace, x: torch.Tensor, mean: Any, var: Any, weight: Any, bias: Any, *rest: Any, **options: Any
) -> torch.Tensor:
    labels = trace.channels(x, 1)
    for tensor in (mean, var, weight, bias):
        trace.note(tensor, 0, labels)
    trace.fold(trace.name(weight) or "", labels)
    return _along(labels, 1, tuple(x.shape))


def _elementwise(trace: ChannelTrace, x: Any, y: Any = None, *rest: Any, **options: Any) -> Any:
    """A sum or product joins what it is of; a number changes no channel."""
    x, y = trace.labels(x), trace.labels(y)
    tensors = [value for value in (x, y) if isinstance(value, torch.Tensor)]
    return trace.joined(*tensors) if len(tensors) == 2 else tensors[0]


def _same(trace: ChannelTrace, x: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
    return x


def _matmul(trace: ChannelTrace, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """All that is summed over is one: the channels of a head, and the tokens that a head attends to."""
    left = _collapsed(trace, a, -1)
    shape = (*a.shape[:-1], b.shape[-1])
    table = trace.name(b)
    if table is None:
        return trace.joined(left, _collapsed(trace, b, -2)).expand(shape)
    trace.in_heads[table, trace.elements[table].ndim - 2] = left.flatten()
    return left.expand(shape)


def _collapsed(trace: ChannelTrace, x: torch.Tensor, dim: int) -> torch.Tensor:
    x = _narrowed(x)
    greatest = x.amax(dim, keepdim=True)
    trace.join(x, greatest.expand_as(x))
    return greatest


def _attend(
    trace: ChannelTrace, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: Any = None, **options: Any
) -> torch.Tensor:
    logits = _matmul(trace, query, key.transpose(-2, -1))
    if attn_mask is not None:
        logits = trace.joined(logits, attn_mask)
    return _matmul(trace, logits, value)


# Source: the functions that torch passes to a TorchFunctionMode, by name.
_HANDLERS: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    "conv2d": _conv2d,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "matmul": _matmul,
    "scaled_dot_product_attention": _attend,
    **dict.fromkeys(("add", "add_", "sub", "mul", "mul_", "div"), _elementwise),
    **dict.fromkeys(("softmax", "dropout", "gelu", "relu", "silu", "sigmoid", "hardswish"), _same),
}
