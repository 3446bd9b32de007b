"""The families of architectures, by name: what the core's `Architecture` protocol needs to be built and stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.deit.arch import DeiTArch
from models.deit.arch import model_args as deit_args
from models.swin.arch import SwinArch
from models.swin.arch import model_args as swin_args
from models.tiny_vit.arch import TinyViTArch
from models.tiny_vit.arch import model_args as tiny_vit_args
from scaler.errors import UnknownNameError
from scaler.family import Architecture

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family.

    Attributes:
        name: as in `Architecture.family`.
        summary: one line for people.
        from_dict: inverse of the architecture's ``to_dict``.
        timm_name: the timm entry point that builds any member, given `model_args`.
        model_args: from an architecture to the arguments of timm's constructor.
    """

    name: str
    summary: str
    from_dict: Callable[[dict[str, Any]], Architecture]
    timm_name: str
    model_args: Callable[[Any], dict[str, Any]]


FAMILIES: dict[str, Family] = {
    "tiny_vit": Family(
        name="tiny_vit",
        summary="TinyViT: convolution stem and stage, then window attention (Wu et al. 2022)",
        from_dict=TinyViTArch.from_dict,
        timm_name="tiny_vit_21m_224",
        model_args=tiny_vit_args,
    ),
    "deit": Family(
        name="deit",
        summary="DeiT: a plain vision transformer with a class token (Touvron et al. 2021)",
        from_dict=DeiTArch.from_dict,
        timm_name="deit_base_patch16_224",
        model_args=deit_args,
    ),
    "swin": Family(
        name="swin",
        summary="Swin: window attention, windows shifted in every other block (Liu et al. 2021)",
        from_dict=SwinArch.from_dict,
        timm_name="swin_base_patch4_window7_224",
        model_args=swin_args,
    ),
}


def family(name: str) -> Family:
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    return FAMILIES[name]


def build(arch: Architecture, **overrides: Any) -> "nn.Module":
    """The network of ``arch`` with random weights; ``overrides`` go to timm's constructor."""
    import timm  # loads torch

    entry = family(arch.family)
    network: nn.Module = timm.create_model(entry.timm_name, pretrained=False, **entry.model_args(arch), **overrides)
    return network
