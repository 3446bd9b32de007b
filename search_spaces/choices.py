"""Choices that the families' spaces have in common; none is larger than the seed."""

from typing import Any

from models.common.architecture import VisionTransformer
from scaler.errors import ScalerError
from scaler.space.axes import is_nested

# Resolutions below the seed's, as fractions of it: 224 gives 160, 192 and 224; 32 gives 24, 28 and 32.
_RESOLUTION_FRACTIONS = (5 / 7, 6 / 7, 1)
_RATIOS = (2.0, 3.0, 4.0)


def widths(dim: int, head_dim: int) -> list[int]:
    """Return the widths of whole heads, from a quarter of the seed's width."""
    least = max(1, -(-dim // (4 * head_dim)))
    return [head_dim * heads for heads in range(least, dim // head_dim + 1)]


def ratios(ratio: float) -> list[float]:
    """Return the MLP ratios up to the seed's."""
    return sorted({*(choice for choice in _RATIOS if choice < ratio), float(ratio)})


def resolutions(resolution: int) -> list[int]:
    """Return resolutions up to the seed's, in steps of 32 pixels, or of 4 for small images."""
    step = 32 if resolution >= 128 else 4
    return sorted({step * round(resolution * fraction / step) for fraction in _RESOLUTION_FRACTIONS})


def shares(seed: VisionTransformer, passes: int) -> list[int]:
    """Return the numbers of passes per block for a seed that has ``passes``; a plain seed's blocks are not shared."""
    return sorted({1, 2, 3, passes}) if seed.MULTIPLEXED else sorted({1, passes})


def by_stage(choices: list[Any], stages: int) -> list[Any]:
    """Return a list of choices for each stage; one that serves all stages is repeated."""
    return choices if is_nested(choices) else [choices] * stages


def check_shares(offered: list[list[int]], depths: list[list[int]]) -> None:
    """Check that passes per block divide a depth; both are lists of choices for each stage.

    Raises:
        ScalerError: if a number of passes divides none of its stage's depths; the message names the first.
    """
    for passes, choices in zip(offered, depths, strict=True):
        for share in passes:
            if all(depth % share for depth in choices):
                raise ScalerError(f"axis 'share': share {share} divides none of the depths {choices}; name them to change them")


def check_widths(axis: str, offered: list[int], head_dims: list[int]) -> None:
    """Check that a head dim divides each width.

    Raises:
        ScalerError: if none does; the message names the first such width.
    """
    for width in offered:
        if all(width % head_dim for head_dim in head_dims):
            raise ScalerError(f"axis {axis!r}: {width} is not a multiple of head_dim {head_dims}; name head_dim to change it")


def check_resolutions(offered: list[int], patch_size: int) -> None:
    """Check that images hold a patch.

    Raises:
        ScalerError: if they do not; the message names the smallest.
    """
    if min(offered) < patch_size:
        raise ScalerError(f"axis 'resolution': {min(offered)} is below one patch of {patch_size} pixels; name larger ones")
