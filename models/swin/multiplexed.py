"""Mini-Swin: timm's Swin with the blocks of each stage multiplexed.

Source: MiniViT (Zhang et al. 2022), the authors' ``swin_transformer_minivit.py``. Head transforms act after the position bias and
before the shift mask; between attention and MLP a norm replaces the residual stream and a depthwise 7x7 convolution is added to
it. A shared block's shift mask acts in its unshifted passes too (only the roll depends on the pass): published weights were
trained so.
"""

from typing import Any

import torch
from timm.layers import DropPath
from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock, WindowAttention
from torch import nn

from models.common.multiplexing import HeadTransform, groups, keep_once, share_blocks

SHARED = ("attn.qkv", "attn.proj", "attn.relative_position_bias_table", "mlp.fc1", "mlp.fc2")
KERNEL = 7  # of the local branch, at every resolution. Source: swin_transformer_minivit.py


class MultiplexedWindowAttention(WindowAttention):
    """Window attention with a head transform on either side of the softmax."""

    def __init__(self, *args: Any, identity: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pre = HeadTransform(self.num_heads, bias=True, identity=identity)
        self.post = HeadTransform(self.num_heads, bias=True, identity=identity)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Map ``x`` (windows x B, N, C) to the same shape; ``mask`` (windows, N, N) holds 0 and -100."""
        windows, tokens, _ = x.shape
        query, key, value = self.qkv(x).view(windows, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        logits = self.pre((query * self.scale) @ key.transpose(-2, -1) + self._get_rel_pos_bias())
        if mask is not None:
            logits = (logits.view(-1, len(mask), *logits.shape[1:]) + mask[None, :, None]).view_as(logits)
        mixed = self.attn_drop(self.post(self.softmax(logits))) @ value
        return self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(windows, tokens, -1)))


class MultiplexedSwinBlock(SwinTransformerBlock):
    """One pass: window attention with head transforms, a norm and a convolution on the stream, then the MLP.

    ``masked_as``: the pass of the group whose shift mask acts in this one too, where that is another one.
    """

    masked_as: "tuple[MultiplexedSwinBlock, ...]" = ()  # not a registered part

    def __init__(self, dim: int, input_resolution: tuple[int, int], num_heads: int, *, identity: bool, **kwargs: Any) -> None:
        super().__init__(dim, input_resolution, num_heads, **kwargs)
        drops = {"attn_drop": kwargs.get("attn_drop", 0.0), "proj_drop": kwargs.get("proj_drop", 0.0)}
        self.attn: WindowAttention = MultiplexedWindowAttention(
            dim, num_heads, window_size=self.window_size, identity=identity, **drops
        )
        self.local_norm = nn.LayerNorm(dim)
        self.local_conv = nn.Conv2d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        for parameter in self.local_conv.parameters() if identity else ():
            nn.init.zeros_(parameter)

    def get_attn_mask(self, *args: Any, **kwargs: Any) -> torch.Tensor | None:
        """Return timm's mask (windows, N, N) of 0 and -100 for the shift that the group's weights were trained with."""
        shifted = (*self.masked_as, self)[0]
        mask: torch.Tensor | None = SwinTransformerBlock.get_attn_mask(shifted, *args, **kwargs)
        return mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, H, W, C) to the same shape."""
        x = self.local_norm(x + self.drop_path1(self._attn(self.norm1(x))))
        x = x + self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class MultiplexedSwin(SwinTransformer):
    """timm's ``SwinTransformer`` in which every ``share[i]`` consecutive blocks of stage i share their weights.

    Args:
        transforms: with the transformations of each pass, as published; else sharing alone.
        identity: start head transforms and convolutions neutral rather than as published; the added norm cannot be.
        **kwargs: timm's.
    """

    def __init__(
        self, *, share: tuple[int, ...] = (1, 1, 1, 1), transforms: bool = True, identity: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.share, self.transforms = tuple(share), transforms
        if transforms:
            for stage in self.layers:
                stage.blocks = nn.Sequential(*(_multiplexed(block, identity) for block in stage.blocks))
            self.init_weights(needs_reset=False)
        self._share()
        keep_once(self)

    def set_input_size(self, *args: Any, **kwargs: Any) -> None:
        """Set the input size as timm does, and share again the bias tables, of which timm gives every pass its own."""
        super().set_input_size(*args, **kwargs)
        self._share()

    def _share(self) -> None:
        for stage, passes in zip(self.layers, self.share, strict=True):
            share_blocks(stage.blocks, passes, SHARED)
            for group in groups(stage.blocks, passes) if self.transforms else []:
                shifted = tuple(block for block in group if any(block.shift_size))[:1]
                for block in group:
                    block.masked_as = shifted
                    block._init_buffers()


def _multiplexed(plain: SwinTransformerBlock, identity: bool) -> MultiplexedSwinBlock:
    return MultiplexedSwinBlock(
        plain.dim,
        plain.input_resolution,
        plain.attn.num_heads,
        identity=identity,
        window_size=plain.window_size,
        shift_size=plain.target_shift_size,
        mlp_ratio=plain.mlp_ratio,
        proj_drop=plain.attn.proj_drop.p,
        attn_drop=plain.attn.attn_drop.p,
        always_partition=plain.always_partition,
        dynamic_mask=plain.dynamic_mask,
        drop_path=plain.drop_path1.drop_prob if isinstance(plain.drop_path1, DropPath) else 0.0,
    )
