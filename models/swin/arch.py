"""Swin as data: stages of window attention, windows shifted in every other block.

Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, as built by timm's
``SwinTransformer`` (timm 1.0.31, ``timm/models/swin_transformer.py``): widths double from stage to stage, a window is never
larger than its map, and maps that windows do not divide are padded. `MiniSwinArch` is Mini-Swin.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.common.architecture import VisionTransformer, can_be_built, head_dim_at
from scaler.cost.architecture import Segment
from scaler.cost.operators import (
    Number,
    Part,
    attention,
    ceil_to,
    conv,
    head_transforms,
    layer_norm,
    linear,
    lookup_table,
    smaller,
    truncate,
)


@dataclass(frozen=True, kw_only=True)
class SwinArch(VisionTransformer):
    """A Swin. Windows and MLP ratios have one entry per stage, which timm's constructor takes too.

    Raises:
        ScalerError: if a value is one that timm's class could not build or run.
    """

    NAME = "swin"
    TIMM_NAME = "swin_base_patch4_window7_224"
    SHARED_NAME = "mini_swin_base_224"
    SCALARS = ("embed_dim", "resolution")
    STAGED = ("depths", "share", "window_size", "mlp_ratio")

    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_size: tuple[int, ...]
    mlp_ratio: tuple[float, ...]
    patch_size: int = 4
    share: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", self.share or (1,) * len(self.depths))
        super().__post_init__()
        self.check_shares(self.depths)
        for i, ratio in enumerate(self.mlp_ratio):
            self.check_ratio("mlp_ratio", ratio, self.width(i))
        for i, heads in enumerate(self.num_heads):
            fits = self.width(i) % heads == 0
            self.require(
                fits, "embed_dim", self.embed_dim, f"stage {i} is {self.width(i)} wide, no multiple of its {heads} heads"
            )
        self.require(
            0 < self.patch_size <= self.resolution, "patch_size", self.patch_size, f"an image has {self.resolution} pixels"
        )

    def width(self, stage: int) -> int:
        """Return the channels of a stage."""
        return self.embed_dim * 2**stage

    def head_dims(self) -> dict[str, int]:
        return {f"head_dim[{i}]": self.width(i) // heads for i, heads in enumerate(self.num_heads)}

    @classmethod
    def heads_of(cls, values: Mapping[str, Any]) -> tuple[int, ...]:
        stages = range(len(values["depths"]))
        return tuple(cls.heads_in(values["embed_dim"] * 2**i, head_dim_at(values, i)) for i in stages)

    def plain_args(self) -> dict[str, Any]:
        names = ("embed_dim", "depths", "num_heads", "window_size", "mlp_ratio", "patch_size", "num_classes", "in_chans")
        return {name: getattr(self, name) for name in names} | {"img_size": self.resolution}

    def segments(self) -> tuple[Segment, ...]:
        return _segments(len(self.depths), self.patch_size, self.in_chans, self.num_classes, self.MULTIPLEXED)


class MiniSwinArch(SwinArch):
    """A Mini-Swin; see ``models/swin/multiplexed.py`` for the differences between passes."""

    NAME = "mini_swin"
    MULTIPLEXED = True


# Side of the local branch's kernel. Source: the authors' swin_transformer_minivit.py.
_KERNEL = 7

Side = Callable[[int, Number], Number]  # stage and resolution to the side of the stage's map


@lru_cache
def _segments(stages: int, patch_size: int, in_chans: int, num_classes: int, multiplexed: bool) -> tuple[Segment, ...]:
    """Return a Swin's parts as segments: the patches, for each stage a merging step (not the first) and blocks, then the head."""

    def side(stage: int, resolution: Number) -> Number:
        return -(-(resolution // patch_size) // 2**stage)

    def stem(dim: Number, resolution: Number) -> list[Part]:
        return [
            conv("patch_embed.proj", in_chans, dim, patch_size, side(0, resolution)),
            lookup_table("patch_embed.proj.bias", dim),
            layer_norm("patch_embed.norm", side(0, resolution) ** 2, dim),
        ]

    def head(dim: Number, resolution: Number) -> list[Part]:
        width = dim * 2 ** (stages - 1)
        return [layer_norm("norm", side(stages - 1, resolution) ** 2, width), linear("head.fc", 1, width, num_classes)]

    return (
        Segment("", ("embed_dim", "resolution"), stem),
        *(segment for i in range(stages) for segment in _stage(i, side, multiplexed)),
        Segment("", ("embed_dim", "resolution"), head),
    )


def _stage(i: int, side: Side, multiplexed: bool) -> list[Segment]:
    """Return the segments of stage ``i``: a merging step, except in the first stage, and the blocks."""

    def merging(dim: Number, resolution: Number) -> list[Part]:
        tokens, width = side(i, resolution) ** 2, dim * 2**i  # four neighbours of half the width each
        weights = 2 * width * width
        reduction = Part("reduction", tokens * weights, weights, kind="linear", shape=(width, 2 * width))
        return [layer_norm("norm", tokens, 2 * width), reduction]

    def rule(
        dim: Number, depth: Number, share: Number, _window: Number, head_dim: Number, mlp_ratio: Number, _: Number
    ) -> Number:
        return can_be_built(dim * 2**i, depth, share, head_dim, mlp_ratio)

    of_stage = (f"{name}[{i}]" for name in ("depths", "share", "window_size", "head_dim", "mlp_ratio"))
    blocks = Segment(f"layers.{i}.blocks", ("embed_dim", *of_stage, "resolution"), _blocks(i, side, multiplexed), rule)
    return [Segment(f"layers.{i}.downsample", ("embed_dim", "resolution"), merging), blocks] if i else [blocks]


def _blocks(i: int, side: Side, multiplexed: bool) -> Callable[..., list[Part]]:
    """Return the function from values to the parts of the blocks of stage ``i``."""

    def local(width: Number, resolution: Number, depth: Number) -> list[Part]:
        return [
            layer_norm("local_norm", side(i, resolution) ** 2, width, depth),
            conv("local_conv", 1, width, _KERNEL, side(i, resolution), depth),
            lookup_table("local_conv.bias", width, depth),
        ]

    def blocks(
        dim: Number, depth: Number, share: Number, window: Number, head_dim: Number, mlp_ratio: Number, resolution: Number
    ) -> list[Part]:
        width, tokens, copies = dim * 2**i, side(i, resolution) ** 2, depth // share
        heads = width // head_dim
        window = smaller(window, side(i, resolution))
        padded, hidden = ceil_to(side(i, resolution), window) ** 2, truncate(width * mlp_ratio)
        return [
            layer_norm("norm1", tokens, width, depth),
            linear("attn.qkv", padded, width, 3 * width, depth, copies),
            attention("attn", padded, window * window, width, depth),
            *(head_transforms("attn", padded * window * window, heads, depth, bias=True) if multiplexed else ()),
            lookup_table("attn.relative_position_bias_table", (2 * window - 1) ** 2 * heads, copies),
            linear("attn.proj", padded, width, width, depth, copies),
            *(local(width, resolution, depth) if multiplexed else ()),
            layer_norm("norm2", tokens, width, depth),
            linear("mlp.fc1", tokens, width, hidden, depth, copies),
            linear("mlp.fc2", tokens, hidden, width, depth, copies),
        ]

    return blocks
