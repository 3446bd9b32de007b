"""The families of architectures, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.any_timm.arch import TimmArch
from models.deit.arch import DeiTArch, MiniDeiTArch
from models.swin.arch import MiniSwinArch, SwinArch
from models.tiny_vit.arch import MiniTinyViTArch, TinyViTArch
from scaler.cost.architecture import Architecture
from scaler.errors import DamagedFileError, UnknownNameError
from scaler.results import variant

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family: its ``summary`` in one line, and ``from_dict``, the inverse of its architectures' ``to_dict``."""

    summary: str
    from_dict: Callable[[dict[str, Any]], Architecture]


FAMILIES: dict[str, Family] = {
    "tiny_vit": Family(
        summary="TinyViT: convolution stem and stage, then window attention (Wu et al. 2022)", from_dict=TinyViTArch.from_dict
    ),
    "deit": Family(
        summary="DeiT: a plain vision transformer with a class token (Touvron et al. 2021)", from_dict=DeiTArch.from_dict
    ),
    "swin": Family(
        summary="Swin: window attention, windows shifted in every other block (Liu et al. 2021)", from_dict=SwinArch.from_dict
    ),
    "mini_tiny_vit": Family(
        summary="Mini-TinyViT: TinyViT with its attention stages multiplexed (ours)", from_dict=MiniTinyViTArch.from_dict
    ),
    "mini_deit": Family(
        summary="Mini-DeiT: DeiT multiplexed, with relative positions (Zhang et al. 2022)", from_dict=MiniDeiTArch.from_dict
    ),
    "mini_swin": Family(summary="Mini-Swin: Swin multiplexed (Zhang et al. 2022)", from_dict=MiniSwinArch.from_dict),
    "timm": Family(summary="any other timm model, by its constructor's arguments", from_dict=TimmArch.from_dict),
}


def family(name: str) -> Family:
    """Return the family called ``name``.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    return FAMILIES[name]


def read_architecture(folder: Path) -> Architecture | None:
    """Return the architecture that the variant in ``folder`` notes; None where it notes none.

    Raises:
        ScalerError: if the note is damaged or describes no architecture.
    """
    info = variant.read_info(folder)
    if info is None or not info.family:
        return None
    try:
        return family(info.family).from_dict(dict(info.arch))
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        reason = f"arch: {type(error).__name__}: {error}"
        raise DamagedFileError(folder / variant.NOTE, reason, "restore it, or write the variant again") from error


def build(arch: Architecture, **overrides: Any) -> "nn.Module":
    """Build the network of ``arch`` with random weights; ``overrides`` go to timm's constructor (``drop_path_rate``)."""
    import timm  # loads torch

    network: nn.Module = timm.create_model(arch.timm_name, pretrained=False, **arch.timm_args(), **overrides)
    return network
