"""DeiT as data: a plain vision transformer with a class token.

Source: Touvron et al., "Training data-efficient image transformers & distillation through attention", ICML 2021, as built by
timm's ``VisionTransformer`` (timm 1.0.31, ``timm/models/vision_transformer.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from models.architecture import VisionTransformer, head_dim_at
from scaler.cost import Number, Part, attention, conv, layer_norm, linear, table, truncate
from scaler.family import Segment


@dataclass(frozen=True, kw_only=True)
class DeiTArch(VisionTransformer):
    """One DeiT without a distillation token.

    Raises:
        ScalerError: a value that timm's class could not build or run.
    """

    NAME = "deit"
    SCALARS = ("embed_dim", "depth", "mlp_ratio", "resolution")
    STAGED = ()

    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float = 4.0
    patch_size: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.embed_dim % self.num_heads == 0
        self.require(fits, "embed_dim", self.embed_dim, f"not a multiple of its {self.num_heads} heads")
        self.require(
            0 < self.patch_size <= self.resolution, "patch_size", self.patch_size, f"an image has {self.resolution} pixels"
        )

    def head_dims(self) -> dict[str, int]:
        return {"head_dim": self.embed_dim // self.num_heads}

    @classmethod
    def heads_of(cls, values: Mapping[str, Any]) -> int:
        return cls.heads_in(values["embed_dim"], head_dim_at(values, 0))

    def segments(self) -> tuple[Segment, ...]:
        return _segments(self.patch_size, self.in_chans, self.num_classes)


def model_args(arch: DeiTArch) -> dict[str, Any]:
    """Arguments of timm's constructor."""
    names = ("embed_dim", "depth", "num_heads", "mlp_ratio", "patch_size", "num_classes", "in_chans")
    return {name: getattr(arch, name) for name in names} | {"img_size": arch.resolution}


@lru_cache
def _segments(patch_size: int, in_chans: int, num_classes: int) -> tuple[Segment, ...]:
    def patches(resolution: Number) -> Number:
        return (resolution // patch_size) ** 2

    def stem(dim: Number, resolution: Number) -> list[Part]:
        tokens = patches(resolution)
        return [
            conv("patch_embed.proj", in_chans, dim, patch_size, resolution // patch_size),
            table("patch_embed.proj.bias", dim),
            table("cls_token", dim),
            table("pos_embed", (tokens + 1) * dim),
        ]

    def blocks(dim: Number, depth: Number, mlp_ratio: Number, resolution: Number) -> list[Part]:
        tokens, hidden = patches(resolution) + 1, truncate(dim * mlp_ratio)
        return [
            layer_norm("norm1", tokens, dim, depth),
            linear("attn.qkv", tokens, dim, 3 * dim, depth),
            attention("attn", tokens, tokens, dim, depth),
            linear("attn.proj", tokens, dim, dim, depth),
            layer_norm("norm2", tokens, dim, depth),
            linear("mlp.fc1", tokens, dim, hidden, depth),
            linear("mlp.fc2", tokens, hidden, dim, depth),
        ]

    def head(dim: Number, resolution: Number) -> list[Part]:
        return [layer_norm("norm", patches(resolution) + 1, dim), linear("head", 1, dim, num_classes)]

    return (
        Segment("", ("embed_dim", "resolution"), stem),
        Segment("", ("embed_dim", "head_dim"), lambda *_: [], lambda dim, head_dim: dim % head_dim == 0),
        Segment("blocks", ("embed_dim", "depth", "mlp_ratio", "resolution"), blocks),
        Segment("", ("embed_dim", "resolution"), head),
    )
