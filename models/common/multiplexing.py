"""Weight multiplexing: consecutive blocks of a network share their weights and differ in small transformations of their own.

Source: Zhang et al., "MiniViT: Compressing Vision Transformers with Weight Multiplexing", CVPR 2022, and the authors' code.

A *pass* is one run of a shared block. Here every pass is a block of its own, as timm builds it, that uses the modules of its
group's first pass for what is shared. So no pass is told which one it is, nothing has to be set before a forward call, and
whatever timm does with blocks (intermediate features, activation checkpointing, export) holds for passes.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# The head transforms' initial spread. Source: the authors' code, trunc_normal_(std=.02) of every linear layer.
_STD = 0.02


class HeadTransform(nn.Module):
    """A linear map across attention heads: (B, H, N, M) to (B, H, N, M), entry by entry.

    ``identity``: start as the identity, so that a network may start from a seed's weights; else at random, as published.
    """

    def __init__(self, heads: int, *, bias: bool, identity: bool) -> None:
        super().__init__()
        self.identity = identity
        self.weight = nn.Parameter(torch.empty(heads, heads))
        self.bias = nn.Parameter(torch.empty(heads)) if bias else None
        self.init_weights()

    def init_weights(self) -> None:
        """Initialize the weights; timm's initialization of a network calls it too."""
        if self.identity:
            nn.init.eye_(self.weight)
        else:
            nn.init.trunc_normal_(self.weight, std=_STD)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, attention: torch.Tensor) -> torch.Tensor:
        return F.conv2d(attention, self.weight[:, :, None, None], self.bias)


def share_blocks(blocks: Sequence[nn.Module], passes: int, names: Sequence[str]) -> None:
    """Let every ``passes`` consecutive blocks use the first one's modules and parameters called ``names``.

    Raises:
        ValueError: if ``passes`` does not divide the number of blocks.
    """
    if len(blocks) % passes:
        raise ValueError(f"share = {passes}: it does not divide a depth of {len(blocks)}")
    for group in groups(blocks, passes):
        for block in group[1:]:
            for name in names:
                owner, _, leaf = name.rpartition(".")
                setattr(block.get_submodule(owner), leaf, getattr(group[0].get_submodule(owner), leaf))


def groups(blocks: Sequence[nn.Module], passes: int) -> list[list[Any]]:
    """Split ``blocks`` into the groups of ``passes`` that share their weights."""
    listed = list(blocks)
    return [listed[first : first + passes] for first in range(0, len(listed), passes)]


def keep_once(model: nn.Module) -> None:
    """Make ``model``'s state dict hold every shared tensor once, under the first of its names.

    A file then holds as many numbers as the network has parameters, and an average of weights (EMA) moves each of them once.
    """
    model.register_state_dict_post_hook(_drop_aliases)
    model.register_load_state_dict_pre_hook(_add_aliases)


def aliases(model: nn.Module) -> dict[str, str]:
    """Return every further name of a shared parameter, with its first name."""
    first: dict[nn.Parameter, str] = {}
    named = model.named_parameters(remove_duplicate=False)
    return {name: first[p] for name, p in named if first.setdefault(p, name) != name}


def _drop_aliases(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name in aliases(model):
        state.pop(prefix + name, None)


def _add_aliases(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, first in aliases(model).items():
        if prefix + first in state:
            state.setdefault(prefix + name, state[prefix + first])
