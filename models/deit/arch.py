"""DeiT as data: a plain vision transformer with a class token.

Source: Touvron et al., "Training data-efficient image transformers & distillation through attention", ICML 2021, as built by
timm's ``VisionTransformer`` (timm 1.0.31, ``timm/models/vision_transformer.py``). `MiniDeiTArch` is Mini-DeiT.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.common.architecture import VisionTransformer, can_be_built, head_dim_at
from scaler.cost.architecture import Segment
from scaler.cost.operators import Number, Part, attention, conv, head_transforms, layer_norm, linear, lookup_table, truncate


@dataclass(frozen=True, kw_only=True)
class DeiTArch(VisionTransformer):
    """A DeiT without a distillation token.

    Raises:
        ScalerError: if a value is one that timm's class could not build or run.
    """

    NAME = "deit"
    TIMM_NAME = "deit_base_patch16_224"
    SHARED_NAME = "mini_deit_base_patch16_224"
    SCALARS = ("embed_dim", "depth", "share", "mlp_ratio", "resolution")
    STAGED = ()

    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float = 4.0
    patch_size: int = 16
    share: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.embed_dim % self.num_heads == 0
        self.require(fits, "embed_dim", self.embed_dim, f"not a multiple of its {self.num_heads} heads")
        self.require(
            0 < self.patch_size <= self.resolution, "patch_size", self.patch_size, f"an image has {self.resolution} pixels"
        )
        self.check_shares((self.depth,))
        self.check_ratio("mlp_ratio", self.mlp_ratio, self.embed_dim)

    def head_dims(self) -> dict[str, int]:
        return {"head_dim": self.embed_dim // self.num_heads}

    @classmethod
    def heads_of(cls, values: Mapping[str, Any]) -> int:
        return cls.heads_in(values["embed_dim"], head_dim_at(values, 0))

    def plain_args(self) -> dict[str, Any]:
        names = ("embed_dim", "depth", "num_heads", "mlp_ratio", "patch_size", "num_classes", "in_chans")
        return {name: getattr(self, name) for name in names} | {"img_size": self.resolution}

    def segments(self) -> tuple[Segment, ...]:
        return _segments(self.patch_size, self.in_chans, self.num_classes, self.MULTIPLEXED)


class MiniDeiTArch(DeiTArch):
    """A Mini-DeiT: multiplexed, without a class token; see ``models/deit/multiplexed.py``."""

    NAME = "mini_deit"
    MULTIPLEXED = True


# Source: iRPE's product method with 3 buckets to either side of 0 (``models/deit/multiplexed.py``).
_BUCKETS = 49


@lru_cache
def _segments(patch_size: int, in_chans: int, num_classes: int, multiplexed: bool) -> tuple[Segment, ...]:
    def tokens_of(resolution: Number) -> Number:
        return (resolution // patch_size) ** 2 + (0 if multiplexed else 1)

    def stem(dim: Number, resolution: Number) -> list[Part]:
        return [
            conv("patch_embed.proj", in_chans, dim, patch_size, resolution // patch_size),
            lookup_table("patch_embed.proj.bias", dim),
            *(() if multiplexed else (lookup_table("cls_token", dim),)),
            lookup_table("pos_embed", tokens_of(resolution) * dim),
        ]

    def transforms(tokens: Number, dim: Number, depth: Number, head_dim: Number) -> list[Part]:
        relative = Part("attn.rpe_k", tokens * dim * _BUCKETS, head_dim * _BUCKETS, depth, kind="attention")
        return [relative, *head_transforms("attn", tokens * tokens, dim // head_dim, depth, bias=False)]

    def blocks(dim: Number, depth: Number, share: Number, head_dim: Number, mlp_ratio: Number, resolution: Number) -> list[Part]:
        tokens, hidden, copies = tokens_of(resolution), truncate(dim * mlp_ratio), depth // share
        return [
            layer_norm("norm1", tokens, dim, depth),
            linear("attn.qkv", tokens, dim, 3 * dim, depth, copies),
            attention("attn", tokens, tokens, dim, depth),
            *(transforms(tokens, dim, depth, head_dim) if multiplexed else ()),
            linear("attn.proj", tokens, dim, dim, depth, copies),
            layer_norm("norm2", tokens, dim, depth),
            linear("mlp.fc1", tokens, dim, hidden, depth, copies),
            linear("mlp.fc2", tokens, hidden, dim, depth, copies),
        ]

    def rule(dim: Number, depth: Number, share: Number, head_dim: Number, mlp_ratio: Number, _: Number) -> Number:
        return can_be_built(dim, depth, share, head_dim, mlp_ratio)

    def head(dim: Number, resolution: Number) -> list[Part]:
        return [layer_norm("norm", tokens_of(resolution), dim), linear("head", 1, dim, num_classes)]

    return (
        Segment("", ("embed_dim", "resolution"), stem),
        Segment("blocks", ("embed_dim", "depth", "share", "head_dim", "mlp_ratio", "resolution"), blocks, rule),
        Segment("", ("embed_dim", "resolution"), head),
    )
