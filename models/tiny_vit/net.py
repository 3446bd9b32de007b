"""Reading a TinyViT's architecture back from its network."""

from timm.models.tiny_vit import TinyVit
from torch import nn

from models.tiny_vit.arch import TinyViTArch
from scaler.errors import ScalerError


def read(model: nn.Module, resolution: int) -> TinyViTArch:
    """The architecture of a built TinyViT: the inverse of building it.

    Raises:
        ScalerError: ``model`` is of another class.
    """
    if not isinstance(model, TinyVit):
        raise ScalerError(f"{type(model).__name__} is not a TinyViT: this needs timm's TinyVit class")
    convs, *stages = model.stages
    blocks = [stage.blocks[0] for stage in stages]
    dims = (convs.dim, *(block.dim for block in blocks))
    head_dims = {f"head_dim[{i}]": block.attn.key_dim for i, block in enumerate(blocks, start=1)}
    return TinyViTArch(
        embed_dims=dims,
        depths=tuple(len(stage.blocks) for stage in model.stages),
        num_heads=TinyViTArch.heads_of({"embed_dims": dims, **head_dims}),
        window_sizes=(blocks[0].window_size, *(block.window_size for block in blocks)),
        mlp_ratio=float(model.mlp_ratio),
        mbconv_expand_ratio=convs.blocks[0].conv1.conv.out_channels / convs.dim,
        resolution=resolution,
        num_classes=model.num_classes,
        in_chans=model.in_chans,
    )
