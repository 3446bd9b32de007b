"""Mini-DeiT: timm's vision transformer with its blocks multiplexed.

Source: MiniViT (Zhang et al. 2022) and iRPE (Wu et al. 2021), the authors' ``mini_vision_transformer.py`` and ``irpe.py``: no
class token, positions relative to the query added to the keys, tokens averaged after the last norm, no transformation of the MLP.
"""

from functools import lru_cache
from math import isqrt
from typing import Any

import torch
from timm.layers import Attention
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from models.common.multiplexing import HeadTransform, keep_once, share_blocks

SHARED = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")

# Source: irpe.py's piecewise index with alpha 1.9, beta 3.8, gamma 15.2: offsets of 0, 1, 2-3 and 4 or more, each sign its own.
OFFSETS = (1, 2, 4)
BUCKETS = (2 * len(OFFSETS) + 1) ** 2


def buckets(grid: tuple[int, int]) -> torch.Tensor:
    """Return the bucket of the offset of every pair of tokens on a ``grid`` (rows, columns): (N, N) integers below `BUCKETS`."""
    rows, columns = torch.meshgrid(*map(torch.arange, grid), indexing="ij")
    row, column = (_index(axis.flatten()[:, None] - axis.flatten()[None, :]) for axis in (rows, columns))
    return row * (2 * len(OFFSETS) + 1) + column


@lru_cache
def _square(tokens: int) -> torch.Tensor:
    """Return the `buckets` of a square grid of ``tokens`` tokens."""
    return buckets((isqrt(tokens), isqrt(tokens)))


def _index(offset: torch.Tensor) -> torch.Tensor:
    size = torch.bucketize(offset.abs(), torch.tensor(OFFSETS), right=True)
    return offset.sign() * size + len(OFFSETS)


class RelativeKeys(nn.Module):
    """Contextual relative positions on keys: a query's product with one learned vector for each bucket, for all heads alike."""

    def __init__(self, head_dim: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, head_dim, BUCKETS))
        self.index: torch.Tensor
        self.set_grid(grid)

    def set_grid(self, grid: tuple[int, int]) -> None:
        """Serve maps of ``grid`` (rows, columns) from the same table, as published at 384 pixels."""
        self.register_buffer("index", buckets(grid).to(self.table.device), persistent=False)

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        """Return (B, H, N, N), to be added to the logits, for scaled queries (B, H, N, head_dim) of any square map."""
        products, tokens = query @ self.table[0], query.shape[2]
        index = self.index if tokens == len(self.index) else _square(tokens).to(query.device)
        return products.gather(-1, index.expand(*products.shape[:2], -1, -1))


class MultiplexedAttention(Attention):
    """Self-attention with relative keys and a head transform on either side of the softmax."""

    def __init__(self, dim: int, num_heads: int, grid: tuple[int, int], *, identity: bool, **kwargs: Any) -> None:
        super().__init__(dim, num_heads, qkv_bias=True, **kwargs)
        self.rpe_k = RelativeKeys(self.head_dim, grid)
        self.pre = HeadTransform(num_heads, bias=False, identity=identity)
        self.post = HeadTransform(num_heads, bias=False, identity=identity)

    def forward(self, x: torch.Tensor, attn_mask: torch.Tensor | None = None, is_causal: bool = False) -> torch.Tensor:
        """Map (B, N, C) to the same shape. Masks are not supported: images have none."""
        batch, tokens, _ = x.shape
        query, key, value = self.qkv(x).view(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query = query * self.scale
        logits = self.pre(query @ key.transpose(-2, -1) + self.rpe_k(query))
        mixed = self.attn_drop(self.post(logits.softmax(dim=-1))) @ value
        return self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(batch, tokens, self.attn_dim)))


class MultiplexedViT(VisionTransformer):
    """timm's ``VisionTransformer`` in which every ``share`` consecutive blocks share their weights.

    Args:
        transforms: with the transformations of each pass, and then without a class token, as published; else sharing alone.
        identity: start the transformations neutral (see `HeadTransform`) rather than as published.
        **kwargs: timm's.
    """

    def __init__(self, *, share: int = 1, transforms: bool = True, identity: bool = False, **kwargs: Any) -> None:
        published = {"class_token": False, "global_pool": "avg", "fc_norm": False} if transforms else {}
        super().__init__(**(published | kwargs))
        self.transforms = transforms
        if transforms:
            for block in self.blocks:
                block.attn = self._multiplexed(block.attn, identity)
            self.init_weights(needs_reset=False)
        share_blocks(self.blocks, share, SHARED)
        keep_once(self)

    def set_input_size(self, *args: Any, **kwargs: Any) -> None:
        """Set the input size as timm does; relative positions follow the new grid."""
        super().set_input_size(*args, **kwargs)
        for block in self.blocks if self.transforms else ():
            block.attn.rpe_k.set_grid(self.patch_embed.grid_size)

    def _multiplexed(self, plain: Attention, identity: bool) -> MultiplexedAttention:
        drops = {"attn_drop": plain.attn_drop.p, "proj_drop": plain.proj_drop.p}
        return MultiplexedAttention(self.embed_dim, plain.num_heads, self.patch_embed.grid_size, identity=identity, **drops)
