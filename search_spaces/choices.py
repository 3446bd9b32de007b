"""Choices that the families' spaces have in common; none is larger than the seed."""

from scaler.errors import ScalerError

# Resolutions below the seed's, as shares of it: 224 gives 160, 192 and 224; 32 gives 24, 28 and 32.
_RESOLUTION_SHARES = (5 / 7, 6 / 7, 1)
_RATIOS = (2.0, 3.0, 4.0)


def widths(dim: int, head_dim: int) -> list[int]:
    """Whole heads, from a quarter of the seed's width."""
    least = max(1, -(-dim // (4 * head_dim)))
    return [head_dim * heads for heads in range(least, dim // head_dim + 1)]


def ratios(ratio: float) -> list[float]:
    return sorted({*(choice for choice in _RATIOS if choice < ratio), ratio})


def resolutions(resolution: int) -> list[int]:
    """In steps of 32 pixels, or of 4 for small images."""
    step = 32 if resolution >= 128 else 4
    return sorted({step * round(resolution * share / step) for share in _RESOLUTION_SHARES})


def check_widths(axis: str, offered: list[int], head_dims: list[int]) -> None:
    """Refuse widths that no head dim divides.

    Raises:
        ScalerError: naming the first such width.
    """
    for width in offered:
        if all(width % head_dim for head_dim in head_dims):
            raise ScalerError(f"axis {axis!r}: {width} is not a multiple of head_dim {head_dims}; name head_dim to change it")
