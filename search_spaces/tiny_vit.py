"""What may shrink in a TinyViT.

The contraction factors are those of Wu et al. 2022: widths D1-4, depths N1-4, windows W2-4, MBConv ratio R, MLP ratio M;
widths move by whole heads (multiples of 32 in the published models). Resolution is ours: it buys FLOPs at no parameters.
"""

from typing import Any

from models.tiny_vit.arch import TinyViTArch
from scaler.errors import ScalerError
from scaler.space import SearchSpace, narrowed, variables_of

# Resolutions below the seed's, as shares of it: 224 gives 160, 192 and 224; 32 gives 24, 28 and 32.
_RESOLUTION_SHARES = (5 / 7, 6 / 7, 1)
_RATIOS = (2.0, 3.0, 4.0)


def axes(seed: TinyViTArch) -> dict[str, Any]:
    """The axes of ``seed``'s own space: nothing is larger than in the seed but its windows, which cost almost nothing."""
    return {
        "embed_dims": [_widths(dim, _head_dim(seed)) for dim in seed.embed_dims],
        "depths": [list(range(1, depth + 1)) for depth in seed.depths],
        "window_sizes": [[seed.window_sizes[0]], *([w] if w == 1 else _windows(w, seed) for w in seed.window_sizes[1:])],
        "mlp_ratio": sorted({*(r for r in _RATIOS if r < seed.mlp_ratio), seed.mlp_ratio}),
        "mbconv_expand_ratio": sorted({*(r for r in _RATIOS if r < seed.mbconv_expand_ratio), seed.mbconv_expand_ratio}),
        "resolution": sorted({_multiple(seed.resolution * share, seed.resolution) for share in _RESOLUTION_SHARES}),
    }


def space(name: str, seed: TinyViTArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """TinyViT: widths, depths, windows, MLP and MBConv ratios, resolution.

    ``changes`` replaces the axes that it names; ``head_dim`` may be one of them.

    Raises:
        ScalerError: an axis that TinyViT does not have, or choices of the wrong form.
    """
    head_dims = {} if changes and "head_dim" in changes else {"head_dim": [_head_dim(seed)]}
    chosen = narrowed(axes(seed), changes or {}, len(seed.embed_dims), ("head_dim",)) | head_dims
    _check_widths(chosen["embed_dims"][1:], chosen["head_dim"])
    return SearchSpace(name, seed, variables_of(chosen))


def _check_widths(stages: list[list[int]], head_dims: list[int]) -> None:
    for width in (width for widths in stages for width in widths):
        if all(width % head_dim for head_dim in head_dims):
            raise ScalerError(f"axis 'embed_dims': {width} is not a multiple of head_dim {head_dims}; name head_dim to change it")


def _head_dim(seed: TinyViTArch) -> int:
    return seed.head_dims[-1]


def _widths(dim: int, head_dim: int) -> list[int]:
    """Whole heads, from a quarter of the seed's width."""
    least = max(1, -(-dim // (4 * head_dim)))
    return [head_dim * heads for heads in range(least, dim // head_dim + 1)]


def _windows(window: int, seed: TinyViTArch) -> list[int]:
    """The seed's two kinds of window (7 and 14 at 224 pixels)."""
    kinds = {w for w in seed.window_sizes[1:] if w > 1}
    return sorted(kinds | {window})


def _multiple(value: float, resolution: int) -> int:
    step = 32 if resolution >= 128 else 4
    return step * round(value / step)
