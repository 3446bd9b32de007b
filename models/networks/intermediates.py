"""Intermediate results of a network, by block: queries, keys and values of its attention, and its output.

A block goes by the name that its module has in the network (``layers.2.blocks.5``). Of a multiplexed network every pass is a
block with a name of its own, also where it runs the projection that another pass runs too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.tiny_vit import TinyVit
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from scaler.errors import ScalerError

QKV = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
QkvSplit = Callable[[torch.Tensor, int], QKV]


def _all_queries_first(rows: torch.Tensor, heads: int) -> QKV:
    query, key, value = rows.chunk(3, dim=-1)
    return query, key, value


def _head_by_head(rows: torch.Tensor, heads: int) -> QKV:
    query, key, value = rows.unflatten(-1, (heads, 3, -1)).unbind(-2)
    return query.flatten(-2), key.flatten(-2), value.flatten(-2)


# The layout of the rows of ``attn.qkv``, by timm's class and those derived from it. Source: their attention's ``forward``.
_LAYOUTS: dict[type[nn.Module], QkvSplit] = {
    VisionTransformer: _all_queries_first,
    SwinTransformer: _all_queries_first,
    TinyVit: _head_by_head,
}


def attention_stages(model: nn.Module) -> list[list[str]]:
    """Return the names of a network's attention blocks, stage by stage, in the order in which they run.

    Raises:
        ScalerError: if the network is of no family whose projections are known.
    """
    _layout(model)
    names = [name for name, module in model.named_modules() if hasattr(getattr(module, "attn", None), "qkv")]
    return [list(stage) for _, stage in groupby(names, key=lambda name: name.rpartition(".")[0])]


class Intermediates(NamedTuple):
    """A network's ``output`` and, for each requested block, its attention's projections and its output.

    ``qkv``: (query, key, value), each (windows x B, N, C), as projected: neither scaled nor transformed. ``hidden``: (B, N, C).
    Tokens are those of the image: class and distillation tokens are left out.
    """

    output: Any
    qkv: list[QKV]
    hidden: list[torch.Tensor]


class IntermediatesExtractor(nn.Module):
    """``model`` with a forward that returns the `Intermediates` of the blocks called ``names``.

    They are returned, not stored, so that any wrapper of a network (DDP, torch.compile, autocast) sees them as outputs.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, tuple(names)
        self._layout = _layout(model)
        self._rows: dict[str, torch.Tensor] = {}
        self._hidden: dict[str, torch.Tensor] = {}
        self._watching, self._running = False, ""
        self._prefix = int(getattr(model, "num_prefix_tokens", 0))
        self._handles = [handle for name in self.names for handle in self._watch(name)]

    def forward(self, images: torch.Tensor) -> Intermediates:
        self._watching = True
        output = self.model(images)
        self._watching = False  # activation checkpointing runs blocks again, for the gradient
        qkv = [self._layout(self._rows[name][:, self._prefix :], self._heads(name)) for name in self.names]
        hidden = [self._hidden[name].flatten(1, -2)[:, self._prefix :] for name in self.names]
        self._rows, self._hidden = {}, {}
        return Intermediates(output, qkv, hidden)

    def release(self) -> nn.Module:
        """Remove the hooks and return the network."""
        for handle in self._handles:
            handle.remove()
        return self.model

    def _watch(self, name: str) -> list[Any]:
        """Register the hooks of one block. The pass's own attention module tells whose run of a shared projection it is."""
        block: Any = self.model.get_submodule(name)
        return [
            block.attn.register_forward_pre_hook(partial(_begin, self, name)),
            block.attn.qkv.register_forward_hook(partial(_keep_rows, self, name)),
            block.register_forward_hook(partial(_keep_output, self, name)),
        ]

    def _heads(self, name: str) -> int:
        block: Any = self.model.get_submodule(name)
        return int(block.attn.num_heads)


def _begin(watcher: IntermediatesExtractor, name: str, *_: Any) -> None:
    watcher._running = name if watcher._watching else ""


def _keep_rows(watcher: IntermediatesExtractor, name: str, module: nn.Module, args: Any, rows: torch.Tensor) -> None:
    if watcher._running == name:
        watcher._rows[name] = rows
        watcher._running = ""


def _keep_output(watcher: IntermediatesExtractor, name: str, module: nn.Module, args: Any, output: torch.Tensor) -> None:
    if watcher._watching:
        watcher._hidden[name] = output


def _layout(model: nn.Module) -> QkvSplit:
    for kind, layout in _LAYOUTS.items():
        if isinstance(model, kind):
            return layout
    known = ", ".join(kind.__name__ for kind in _LAYOUTS)
    raise ScalerError(f"{type(model).__name__}: queries, keys and values are known of {known} alone; take out the relations")
