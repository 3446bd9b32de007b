"""Refusals: what no weights of a seed can be taken for, with the axis at fault."""

from collections.abc import Mapping
from dataclasses import fields

from models.common.architecture import VisionTransformer
from models.inheritance.axes import other_axes
from models.inheritance.depth import stages_of
from scaler.errors import ScalerError


def check_kinds(seed: VisionTransformer, arch: VisionTransformer) -> None:
    """Refuse an architecture of another family, of other stages, with wider heads, or that reads other images or patches.

    Raises:
        ScalerError: with the field at fault.
    """
    if not isinstance(arch, type(seed)):
        raise ScalerError(
            f"family = {arch.family}: weights of a {seed.family} seed fit {seed.family} and its multiplexed form alone"
        )
    if stages_of(arch).keys() != stages_of(seed).keys():
        raise ScalerError(f"stages = {len(stages_of(arch))}: the seed has {len(stages_of(seed))}")
    free = {*arch.SCALARS, *arch.STAGED, "num_heads", "num_classes"}
    for field in fields(arch):
        mine, theirs = getattr(arch, field.name), getattr(seed, field.name)
        if field.name not in free and mine != theirs:
            raise ScalerError(f"{field.name} = {mine}: the seed has {theirs}, and weights are not taken across")
    for axis, width in arch.head_dims().items():
        if width > seed.head_dims()[axis]:
            raise ScalerError(f"{axis} = {width}: the seed's heads have {seed.head_dims()[axis]} channels, and are only cut")


def check_depths(seed: VisionTransformer, arch: VisionTransformer, depths: Mapping[str, tuple[int, int]]) -> None:
    """Refuse a network that is deeper than its seed; ``depths`` has the seed's depth and the network's, by container.

    Raises:
        ScalerError: with the axis.
    """
    for name, (depth, keep) in depths.items():
        if keep > depth:
            raise ScalerError(f"{other_axes(seed, arch, name)}: {name} would have {keep} of the seed's {depth} blocks")


def check_size(seed: VisionTransformer, arch: VisionTransformer, name: str, size: int, available: int) -> None:
    """Refuse a dimension of the tensor ``name`` that needs more units than the seed has.

    Raises:
        ScalerError: with the axis.
    """
    if size > available:
        raise ScalerError(
            f"{other_axes(seed, arch, name)}: {name} would have {size} of the seed's {available} channels or heads; "
            "weights are only cut"
        )
