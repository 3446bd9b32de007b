"""TinyViT's network: timm's own class, told everything that the architecture says."""

from typing import Any

import timm
from timm.models.tiny_vit import TinyVit
from torch import nn

from models.tiny_vit.arch import PER_STAGE, TinyViTArch, heads
from scaler.errors import ScalerError


def model_args(arch: TinyViTArch) -> dict[str, Any]:
    """Arguments of timm's constructor; ``resolution`` is not one of them, since the network takes any."""
    scalars = ("mlp_ratio", "mbconv_expand_ratio", "num_classes", "in_chans")
    return {name: getattr(arch, name) for name in (*PER_STAGE, *scalars)}


def build(arch: TinyViTArch, **overrides: Any) -> nn.Module:
    """The network with random weights. ``overrides`` go to timm's constructor (``drop_path_rate``, for example)."""
    model: nn.Module = timm.create_model("tiny_vit_21m_224", pretrained=False, **model_args(arch), **overrides)
    return model


def read(model: nn.Module, resolution: int) -> TinyViTArch:
    """The architecture of a built TinyViT: the inverse of `build`.

    Raises:
        ScalerError: ``model`` is of another class.
    """
    if not isinstance(model, TinyVit):
        raise ScalerError(f"{type(model).__name__} is not a TinyViT: this needs timm's TinyVit class")
    convs, *stages = model.stages
    blocks = [stage.blocks[0] for stage in stages]
    dims = (convs.dim, *(block.dim for block in blocks))
    return TinyViTArch(
        embed_dims=dims,
        depths=tuple(len(stage.blocks) for stage in model.stages),
        num_heads=heads(dims, [block.attn.key_dim for block in blocks]),
        window_sizes=(blocks[0].window_size, *(block.window_size for block in blocks)),
        mlp_ratio=float(model.mlp_ratio),
        mbconv_expand_ratio=convs.blocks[0].conv1.conv.out_channels / convs.dim,
        resolution=resolution,
        num_classes=model.num_classes,
        in_chans=model.in_chans,
    )
