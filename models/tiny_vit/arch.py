"""TinyViT as data: its architecture and the list of its parts.

Source: Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers", ECCV 2022, as built by timm's
``TinyVit`` (timm 1.0.31, ``timm/models/tiny_vit.py``): a convolution stem, one stage of MBConv blocks, then stages of window
attention, each entered through a strided merging step. `MiniTinyViTArch` is the same, multiplexed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.common.architecture import VisionTransformer, can_be_built, head_dim_at
from scaler.cost.architecture import Segment
from scaler.cost.operators import (
    Number,
    Part,
    attention,
    batch_norm,
    ceil_to,
    conv,
    head_transforms,
    layer_norm,
    linear,
    lookup_table,
    pool,
    truncate,
)


@dataclass(frozen=True, kw_only=True)
class TinyViTArch(VisionTransformer):
    """A TinyViT.

    ``window_sizes[0]`` is not used by the network (the first stage is convolution), and kept for timm's signature; for the same
    reason ``share[0]`` is 1.

    Raises:
        ScalerError: if a value is one that timm's class could not build or run.
    """

    NAME = "tiny_vit"
    TIMM_NAME = "tiny_vit_21m_224"
    SHARED_NAME = "mini_tiny_vit_21m_224"
    SCALARS = ("mlp_ratio", "mbconv_expand_ratio", "resolution")
    STAGED = ("embed_dims", "depths", "window_sizes", "share")

    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_sizes: tuple[int, ...]
    mlp_ratio: float = 4.0
    mbconv_expand_ratio: float = 4.0
    share: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", (1, *(self.share or (1,) * len(self.depths))[1:]))
        super().__post_init__()
        self.check_shares(self.depths)
        stages = len(self.embed_dims)
        self.require(
            len(self.num_heads) == stages, "num_heads", self.num_heads, "needs one entry for each stage, as embed_dims has"
        )
        for dim, heads in zip(self.embed_dims, self.num_heads, strict=True):
            self.require(dim % heads == 0, "embed_dims", self.embed_dims, f"{dim} is not a multiple of its {heads} heads")
        self.check_ratio("mbconv_expand_ratio", self.mbconv_expand_ratio, self.embed_dims[0])
        for dim in self.embed_dims[1:]:
            self.check_ratio("mlp_ratio", self.mlp_ratio, dim)
        self.require(self.embed_dims[0] % 2 == 0, "embed_dims", self.embed_dims, "the stem needs an even first width")

    def head_dims(self) -> dict[str, int]:
        """Return the head dims of the stages that have attention: all but the first."""
        stages = enumerate(zip(self.embed_dims, self.num_heads, strict=True))
        return {f"head_dim[{i}]": dim // heads for i, (dim, heads) in stages if i}

    @classmethod
    def heads_of(cls, values: Mapping[str, Any]) -> tuple[int, ...]:
        """Return ``num_heads``; the first stage has no attention and gets heads as wide as the second's, or one head."""
        first, *dims = values["embed_dims"]
        wide = head_dim_at(values, 1)
        heads = (cls.heads_in(dim, head_dim_at(values, i)) for i, dim in enumerate(dims, start=1))
        return (first // wide if first % wide == 0 else 1, *heads)

    def plain_args(self) -> dict[str, Any]:
        """Return timm's arguments, without ``resolution``: the network takes any."""
        staged = ("embed_dims", "depths", "num_heads", "window_sizes")
        scalars = ("mlp_ratio", "mbconv_expand_ratio", "num_classes", "in_chans")
        return {name: getattr(self, name) for name in (*staged, *scalars)}

    def segments(self) -> tuple[Segment, ...]:
        return _segments(len(self.embed_dims), self.in_chans, self.num_classes, self.MULTIPLEXED)


class MiniTinyViTArch(TinyViTArch):
    """A TinyViT whose attention stages are multiplexed; see ``models/tiny_vit/multiplexed.py``."""

    NAME = "mini_tiny_vit"
    MULTIPLEXED = True


@lru_cache
def _segments(stages: int, in_chans: int, num_classes: int, multiplexed: bool) -> tuple[Segment, ...]:
    """Return a TinyViT's parts as segments: stem and first stage, a merging step and blocks for each other stage, the head."""

    def stem(dim: Number, resolution: Number) -> list[Part]:
        half, quarter = _halve(resolution), _halve(_halve(resolution))
        return [
            *_conv_norm("conv1", in_chans, dim // 2, 3, half),
            *_conv_norm("conv2", dim // 2, dim, 3, quarter),
        ]

    def mbconv(dim: Number, depth: Number, ratio: Number, resolution: Number) -> list[Part]:
        side, hidden = _side(0, resolution), truncate(dim * ratio)
        return [
            *_conv_norm("conv1", dim, hidden, 1, side, depth),
            *_conv_norm("conv2", 1, hidden, 3, side, depth),
            *_conv_norm("conv3", hidden, dim, 1, side, depth),
        ]

    def head(dim: Number, resolution: Number) -> list[Part]:
        side = _side(stages - 1, resolution)
        return [
            pool("global_pool", dim * (side * side)),
            layer_norm("norm", 1, dim),
            linear("fc", 1, dim, num_classes),
        ]

    def rule(dim: Number, _depth: Number, ratio: Number, _resolution: Number) -> Number:
        return truncate(dim * ratio) > 0

    found = [
        Segment("patch_embed", ("embed_dims[0]", "resolution"), stem, lambda dim, _: dim % 2 == 0),
        Segment("stages.0.blocks", ("embed_dims[0]", "depths[0]", "mbconv_expand_ratio", "resolution"), mbconv, rule),
    ]
    for i in range(1, stages):
        found += _stage(i, multiplexed)
    return (*found, Segment("head", (f"embed_dims[{stages - 1}]", "resolution"), head))


def _stage(i: int, multiplexed: bool) -> list[Segment]:
    def merging(dim_in: Number, dim: Number, resolution: Number) -> list[Part]:
        side_in, side = _side(i - 1, resolution), _side(i, resolution)
        return [
            *_conv_norm("conv1", dim_in, dim, 1, side_in),
            *_conv_norm("conv2", 1, dim, 3, side),
            *_conv_norm("conv3", dim, dim, 1, side),
        ]

    def blocks(
        dim: Number, depth: Number, share: Number, window: Number, head_dim: Number, mlp_ratio: Number, resolution: Number
    ) -> list[Part]:
        side, hidden, keys, heads = _side(i, resolution), truncate(dim * mlp_ratio), window * window, dim // head_dim
        tokens, padded, copies = side * side, ceil_to(side, window) ** 2, depth // share
        return [
            layer_norm("attn.norm", padded, dim, depth),
            linear("attn.qkv", padded, dim, 3 * dim, depth, copies),
            attention("attn", padded, keys, dim, depth),
            *(head_transforms("attn", padded * keys, heads, depth, bias=True) if multiplexed else ()),
            lookup_table("attn.attention_biases", heads * keys, copies),
            linear("attn.proj", padded, dim, dim, depth, copies),
            *_conv_norm("local_conv", 1, dim, 3, side, depth),
            layer_norm("mlp.norm", tokens, dim, depth),
            linear("mlp.fc1", tokens, dim, hidden, depth, copies),
            linear("mlp.fc2", tokens, hidden, dim, depth, copies),
        ]

    def rule(
        dim: Number, depth: Number, share: Number, _window: Number, head_dim: Number, mlp_ratio: Number, _: Number
    ) -> Number:
        return can_be_built(dim, depth, share, head_dim, mlp_ratio)

    dim, before = f"embed_dims[{i}]", f"embed_dims[{i - 1}]"
    reads = (dim, f"depths[{i}]", f"share[{i}]", f"window_sizes[{i}]", f"head_dim[{i}]", f"mlp_ratio[{i}]", "resolution")
    return [
        Segment(f"stages.{i}.downsample", (before, dim, "resolution"), merging),
        Segment(f"stages.{i}.blocks", reads, blocks, rule),
    ]


def _conv_norm(name: str, fan_in: Number, dim: Number, kernel: int, side: Number, times: Number = 1) -> tuple[Part, Part]:
    return conv(f"{name}.conv", fan_in, dim, kernel, side, times), batch_norm(f"{name}.bn", dim, side, times)


def _halve(side: Number) -> Number:
    """Return a map's side after a 3x3 convolution with stride 2 and padding 1."""
    return (side + 1) // 2


def _side(stage: int, resolution: Number) -> Number:
    """Return the side of a stage's map: the stem halves twice, each merging step once more."""
    for _ in range(stage + 2):
        resolution = _halve(resolution)
    return resolution
