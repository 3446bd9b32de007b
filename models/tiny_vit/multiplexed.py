"""Mini-TinyViT: timm's TinyViT with the blocks of its attention stages multiplexed.

Ours; no one has published it. It follows Mini-Swin: attention, its position biases and MLP are shared, norms and the head
transforms belong to each pass. So does the 3x3 depthwise convolution that a TinyViT block has between attention and MLP anyway:
it is the MLP's transformation, and no further branch is added.
"""

from typing import Any

import torch
from timm.models.tiny_vit import Attention, TinyVit

from models.common.multiplexing import HeadTransform, keep_once, share_blocks

SHARED = ("attn.qkv", "attn.proj", "attn.attention_biases", "mlp.fc1", "mlp.fc2")


class MultiplexedWindowAttention(Attention):
    """TinyViT's window attention with a head transform on either side of the softmax."""

    def __init__(self, dim: int, key_dim: int, num_heads: int, resolution: tuple[int, int], *, identity: bool) -> None:
        super().__init__(dim, key_dim, num_heads, attn_ratio=1, resolution=resolution)
        self.pre = HeadTransform(num_heads, bias=True, identity=identity)
        self.post = HeadTransform(num_heads, bias=True, identity=identity)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (windows x B, N, C) to the same shape.

        Rows of ``qkv`` come head by head: query, key and value of one, then of the next.
        """
        windows, tokens, _ = x.shape
        rows = self.qkv(self.norm(x)).view(windows, tokens, self.num_heads, 3 * self.key_dim).transpose(1, 2)
        query, key, value = rows.split(self.key_dim, dim=3)
        biases = self.attention_biases[:, self.attention_bias_idxs]
        logits = self.pre((query * self.scale) @ key.transpose(-2, -1) + biases)
        mixed = self.post(logits.softmax(dim=-1)) @ value
        return self.proj(mixed.transpose(1, 2).reshape(windows, tokens, self.out_dim))


class MultiplexedTinyVit(TinyVit):
    """timm's ``TinyVit`` in which every ``share[i]`` consecutive blocks of stage i share their weights, from the second stage on.

    Args:
        transforms: with the head transforms of each pass; else sharing alone.
        identity: start the head transforms as the identity rather than at random.
        **kwargs: timm's.
    """

    def __init__(
        self, *, share: tuple[int, ...] = (1, 1, 1, 1), transforms: bool = True, identity: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if transforms:
            for stage in self.stages[1:]:
                for block in stage.blocks:
                    block.attn = _multiplexed(block.attn, identity)
            self.init_weights(needs_reset=False)
        for stage, passes in zip(self.stages[1:], share[1:], strict=True):
            share_blocks(stage.blocks, passes, SHARED)
        keep_once(self)


def _multiplexed(plain: Attention, identity: bool) -> MultiplexedWindowAttention:
    dim = plain.norm.normalized_shape[0]
    return MultiplexedWindowAttention(dim, plain.key_dim, plain.num_heads, plain.resolution, identity=identity)
