"""Tables and heads of a checkpoint at another size, as the authors of TinyViT, Swin and DeiT published theirs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from scaler.errors import ScalerError

# ImageNet-22k's classes and -1k's: which of the first the second are is in a file of the authors', so zeros would be a mistake.
IN_22K, IN_1K = 21_841, 1000


@dataclass(frozen=True, kw_only=True)
class AllowedChanges:
    """The changes to a checkpoint's tensors that are allowed.

    Attributes:
        tables: resize tables of positions (bicubic).
        classes: replace a head of another class count by zeros, as TinyViT's and Swin's authors do.
        class_map: for each class the row of the file's head, -1 for none; instead of zeros.
    """

    tables: bool = False
    classes: bool = False
    class_map: Sequence[int] | None = None


@dataclass
class Resizer:
    """Resizes tensors to a network's shapes as ``changes`` allow; ``done`` has a line for each changed tensor."""

    network: nn.Module
    changes: AllowedChanges
    done: list[str] = field(default_factory=list)

    def __call__(self, name: str, tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return ``tensor`` in the ``shape`` of the network's ``name``; unchanged if no allowed change leads to it."""
        if name in heads(self.network) and tensor.shape[1:] == shape[1:]:
            return self._head(name, tensor, shape)
        resize = position_table(name, self.network)
        if resize is None or not self.changes.tables or tensor.shape == shape or tensor.ndim != len(shape):
            return tensor
        self.done.append(f"{name} resized from {size(tensor.shape)} to {size(shape)}, bicubic")
        return resize(tensor, shape)

    def _head(self, name: str, tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        before, after = len(tensor), shape[0]
        if self.changes.class_map:
            self.done.append(f"{name}: {after} of {before} classes, by the class map")
            return _rows(tensor, self.changes.class_map)
        if before == after or not self.changes.classes or (before, after) == (IN_22K, IN_1K):
            return tensor
        self.done.append(f"{name}: zeros, as the file has {before} classes and not {after}; train it")
        return tensor.new_zeros(shape)


def heads(network: nn.Module) -> set[str]:
    """Return the names of the classifier's weights and biases in the state dict of a timm network."""
    given = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    modules = (given,) if isinstance(given, str) else given
    return {f"{module}.{leaf}" for module in modules for leaf in ("weight", "bias")}


def position_table(name: str, network: nn.Module) -> Callable[[torch.Tensor, torch.Size], torch.Tensor] | None:
    """Return the function that resizes the table called ``name`` in ``network``; None if it is no table of positions."""
    leaf = name.rpartition(".")[2]
    if leaf == "pos_embed":
        patches: Any = network.get_submodule("patch_embed")
        return lambda table, shape: _positions(table, shape, prefix=shape[1] - patches.num_patches)
    return {"attention_biases": _biases, "relative_position_bias_table": _relative_biases}.get(leaf)


def size(shape: Sequence[int]) -> str:
    """Format a shape: 3x224x224."""
    return "x".join(map(str, shape)) or "scalar"


def _biases(position_table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Resize TinyViT's table, (heads, w x w): an entry for each distance along either axis."""
    return _bicubic(position_table, shape[1])


def _relative_biases(position_table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Resize Swin's table, ((2w - 1) x (2w - 1), heads): an entry for each offset along either axis."""
    return _bicubic(position_table.T, shape[0]).T


def _positions(position_table: torch.Tensor, shape: torch.Size, prefix: int) -> torch.Tensor:
    """Resize DeiT's table, (1, prefix + patches, C); the ``prefix`` tokens before the patches are unchanged."""
    grid = _bicubic(position_table[0, prefix:].T, shape[1] - prefix).T
    return torch.cat([position_table[0, :prefix], grid])[None]


def _bicubic(rows: torch.Tensor, area: int) -> torch.Tensor:
    """Resize (rows, n x n) to (rows, area), each row as a square image; rows that are no square are unchanged."""
    before, after = isqrt(rows.shape[1]), isqrt(area)
    if before * before != rows.shape[1] or not before:
        return rows
    image = rows.reshape(1, -1, before, before).float()
    return F.interpolate(image, size=(after, after), mode="bicubic").reshape(len(rows), area)


def _rows(head: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """Return a head's weight or bias with row ``rows[i]`` of ``head`` for class i; for -1, the mean of all rows taken.

    Source: the authors' utils.py of TinyViT, for 21,841 to 1000 classes.
    """
    if max(rows) >= len(head):
        raise ScalerError(f"the class map names row {max(rows)}: the file's head has {len(head)}, counted from 0")
    index = torch.tensor(rows)
    taken = head[index.clamp(min=0)]
    taken[index < 0] = head[index[index >= 0]].mean(0)
    return taken
