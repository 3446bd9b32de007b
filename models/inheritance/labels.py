"""Labels of channels, and which of them belong together."""

from typing import Any

import torch
from torch import nn

from scaler.errors import ScalerError

Site = tuple[str, int]  # a tensor of the state dict, and one of its dimensions


class ChannelLabels:
    """The labels in one pass through ``network``: float64 tensors that hold whole numbers, 0 for none.

    Attributes:
        sites: for every dimension along which a layer reads or writes channels, the label of each entry.
        elements: for every parameter that is used otherwise (positions, a class token), the label of each element.
        in_heads: dimensions that are contracted with the channels inside every head, and the labels of those heads.
        folded: for every convolution that a batch norm follows, the norm's module name.
        edges: pairs of labels that belong together, as (2, n) tensors.
    """

    def __init__(self, network: nn.Module) -> None:
        self.sites: dict[Site, torch.Tensor] = {}
        self.elements: dict[str, torch.Tensor] = {}
        self.in_heads: dict[Site, torch.Tensor] = {}
        self.folded: dict[str, str] = {}
        self.edges: list[torch.Tensor] = []
        self.count = 1
        self._names = {id(tensor): name for name, tensor in (*network.named_parameters(), *network.named_buffers())}
        self._storages: dict[int, str] = {}
        self._written: tuple[str, torch.Tensor] = ("", torch.empty(0))

    def fresh(self, number: int) -> torch.Tensor:
        """Return ``number`` labels that nothing has yet."""
        first, self.count = self.count, self.count + number
        return torch.arange(first, self.count, dtype=torch.float64)

    def of(self, value: Any) -> Any:
        """Return the labels of a parameter's elements, alone or in a list; any other value as it is."""
        if type(value) in (list, tuple):
            return type(value)(map(self.of, value))
        if not isinstance(value, nn.Parameter):
            return value
        name = self._names[id(value)]
        if name not in self.elements:
            self.elements[name] = self.fresh(value.numel()).view(value.shape)
            self._storages[self.elements[name].untyped_storage().data_ptr()] = name
        return self.elements[name]

    def name(self, tensor: torch.Tensor) -> str | None:
        """Return the name in the state dict of a parameter or buffer, or of one that ``tensor`` shows the labels of."""
        return self._names.get(id(tensor)) or self._storages.get(tensor.untyped_storage().data_ptr())

    def note(self, tensor: torch.Tensor | None, dim: int, labels: torch.Tensor) -> None:
        """Note that entries of ``tensor`` along ``dim`` are the channels called ``labels``."""
        if tensor is None:
            return
        name = self.name(tensor)
        if name is None:
            raise ScalerError("the network computes a layer's weights on the way: its channels cannot be traced")
        known = self.sites.setdefault((name, dim), labels)
        if known is not labels:
            self.join(known, labels)

    def channels(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        """Return the labels along ``axis``, those of all other places joined to them."""
        rows = narrowed(x, keep=axis % x.ndim).movedim(axis, -1).reshape(-1, x.shape[axis]).round()
        greatest = rows.amax(0)
        self.join(rows, greatest.expand_as(rows))
        return greatest

    def join(self, a: torch.Tensor, b: torch.Tensor) -> None:
        """Labels at the same place belong together; 0 belongs to nothing."""
        pairs = torch.stack((torch.minimum(a, b).flatten(), torch.maximum(a, b).flatten())).round().long()
        pairs = pairs[:, (pairs[0] > 0) & (pairs[0] != pairs[1])]
        if pairs.shape[1]:
            self.edges.append(pairs)

    def joined(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the labels of a sum."""
        a, b = narrowed(x), narrowed(y)
        shape = torch.broadcast_shapes(x.shape, y.shape)
        self.join(*torch.broadcast_tensors(a, b))
        for labels in sorted((a, b), key=torch.Tensor.numel):
            if bool((labels > 0).all()):
                return labels.expand(shape)
        return torch.maximum(a, b).expand(shape)

    def written(self, name: str, labels: torch.Tensor) -> None:
        """Remember the last layer's weight and what it wrote."""
        self._written = (name, labels)

    def fold(self, norm: str, labels: torch.Tensor) -> None:
        """Note a batch norm of the channels that the last layer wrote."""
        name, last = self._written
        if last is labels or torch.equal(last, labels):
            self.folded[name] = norm.rpartition(".")[0]


def is_labelled(value: Any) -> bool:
    """Return True for labels; masks and indices are of other types."""
    return isinstance(value, torch.Tensor) and value.dtype == torch.float64


def narrowed(x: torch.Tensor, keep: int = -1) -> torch.Tensor:
    """Return ``x`` with one place of each dimension (but ``keep``) along which all are alike."""
    for dim in range(x.ndim):
        first = x.narrow(dim, 0, 1)
        if dim != keep and x.shape[dim] > 1 and (x.stride(dim) == 0 or bool((x == first).all())):
            x = first
    return x
