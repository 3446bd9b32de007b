"""The multiplexed networks among timm's models: ``timm.create_model("mini_swin_tiny_224")`` builds one.

Every multiplexed seed is an entry point, which takes the arguments of its class and builds any member of its family. Package
`models` imports this module as soon as timm is loaded.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import timm
from timm.models import (
    build_model_with_cfg,
    generate_default_cfgs,
    register_model,
    swin_transformer,
    tiny_vit,
    vision_transformer,
)
from torch import nn

from models.common.architecture import VisionTransformer
from models.deit.multiplexed import MultiplexedViT
from models.swin.multiplexed import MultiplexedSwin
from models.tiny_vit.multiplexed import MultiplexedTinyVit
from models.zoo.seeds import SEEDS

# By family: the class, and timm's function that fits weights of other sizes to it.
_BUILDERS: dict[str, tuple[type[nn.Module], Callable[..., Any]]] = {
    "mini_deit": (MultiplexedViT, vision_transformer.checkpoint_filter_fn),
    "mini_swin": (MultiplexedSwin, swin_transformer.checkpoint_filter_fn),
    "mini_tiny_vit": (MultiplexedTinyVit, tiny_vit.checkpoint_filter_fn),
}
_MINIS: dict[str, VisionTransformer] = {name: arch for name, arch in SEEDS.items() if arch.MULTIPLEXED}

# Source: the authors' evaluation: the shorter side to 256/224 of the input, then the centre; at 384 windows see the whole image.
_CROP = 224 / 256


def _cfg(arch: VisionTransformer) -> dict[str, Any]:
    """Return timm's configuration of the family's plain model at ``arch``'s size, without weights to download."""
    plain = timm.get_pretrained_cfg(arch.TIMM_NAME)
    crop = 1.0 if arch.resolution == 384 and arch.family == "mini_swin" else _CROP
    size = (arch.in_chans, arch.resolution, arch.resolution)
    cfg = replace(plain, url="", hf_hub_id=None, input_size=size, num_classes=arch.num_classes, crop_pct=crop)
    return dict(cfg.to_dict(remove_null=True))


default_cfgs = generate_default_cfgs({name: _cfg(arch) for name, arch in _MINIS.items()})


def _register(name: str, arch: VisionTransformer) -> None:
    cls, filter_fn = _BUILDERS[arch.family]

    def create(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        given = arch.timm_args() | kwargs
        # Features of every stage; of the last three blocks where there are no stages, as timm does it.
        indices = given.pop("out_indices", tuple(range(len(given["depths"]))) if "depths" in given else 3)
        features = {"out_indices": indices, "feature_cls": "getter"}
        network: nn.Module = build_model_with_cfg(
            cls, name, pretrained, pretrained_filter_fn=filter_fn, feature_cfg=features, **given
        )
        return network

    create.__name__ = create.__qualname__ = name
    register_model(create)


for _name, _arch in _MINIS.items():
    _register(_name, _arch)
