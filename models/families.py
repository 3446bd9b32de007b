"""The families of architectures, by name: what the core's `Architecture` protocol needs to be built and stored."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from models.tiny_vit.arch import TinyViTArch
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
        network: the module, imported on use (it loads torch), with ``build``, ``read`` and ``model_args``.
    """

    name: str
    summary: str
    from_dict: Callable[[dict[str, Any]], Architecture]
    timm_name: str
    network: str

    def net(self) -> Any:
        return import_module(self.network)


FAMILIES: dict[str, Family] = {
    "tiny_vit": Family(
        name="tiny_vit",
        summary="TinyViT: convolution stem and stage, then window attention (Wu et al. 2022), on timm's class",
        from_dict=TinyViTArch.from_dict,
        timm_name="tiny_vit_21m_224",
        network="models.tiny_vit.net",
    )
}


def family(name: str) -> Family:
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    return FAMILIES[name]


def build(arch: Architecture, **overrides: Any) -> "nn.Module":
    """The network of ``arch`` with random weights; ``overrides`` go to timm's constructor."""
    network: nn.Module = family(arch.family).net().build(arch, **overrides)
    return network
