"""Tables of positions at another window or resolution."""

from math import isqrt

import torch
from torch import nn

from models.checkpoints.resize import position_table


def without_prefix(table: torch.Tensor, prefix: int) -> torch.Tensor:
    """Absolute positions (1, tokens, C) without those of the ``prefix`` tokens before the patches."""
    return table[:, prefix:]


def resized(name: str, network: nn.Module, table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """``table`` in the ``shape`` that ``network`` has, as checkpoints of other sizes are (bicubic)."""
    resize = position_table(name, network)
    assert resize is not None
    return resize(table, shape).to(table.dtype)


def cropped(name: str, table: torch.Tensor, shape: torch.Size) -> torch.Tensor | None:
    """The entries of ``table`` for the offsets that a smaller window has; None if there is no such window."""
    crop = {"attention_biases": _unsigned, "relative_position_bias_table": _signed}.get(name.rpartition(".")[2])
    smaller = all(size <= before for size, before in zip(shape, table.shape, strict=True))
    return crop(table, shape) if crop and smaller else None


def _unsigned(table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """TinyViT: (heads, w x w), by distances along both axes from 0 on."""
    before, after = isqrt(table.shape[1]), isqrt(shape[1])
    return table.unflatten(1, (before, before))[:, :after, :after].flatten(1)


def _signed(table: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Swin: ((2w - 1) x (2w - 1), heads), by offsets along both axes, 0 in the middle."""
    before, after = isqrt(table.shape[0]), isqrt(shape[0])
    start = (before - after) // 2
    part = slice(start, start + after)
    return table.unflatten(0, (before, before))[part, part].flatten(0, 1)
