"""What may shrink in a TinyViT.

The contraction factors are those of Wu et al. 2022: widths D1-4, depths N1-4, windows W2-4, MBConv ratio R, MLP ratio M, head
dim E; widths move by whole heads (multiples of 32 in the published models). Resolution is ours: it buys FLOPs at no parameters.
"""

from typing import Any

from models.tiny_vit.arch import TinyViTArch
from scaler.space import SearchSpace, narrowed, variables_of
from search_spaces.choices import check_widths, ratios, resolutions, widths


def axes(seed: TinyViTArch) -> dict[str, Any]:
    """The axes of ``seed``'s own space: nothing is larger than in the seed but its windows, which cost almost nothing."""
    head_dim = seed.head_dims()["head_dim[1]"]
    return {
        "embed_dims": [widths(dim, head_dim) for dim in seed.embed_dims],
        "depths": [list(range(1, depth + 1)) for depth in seed.depths],
        "window_sizes": [[seed.window_sizes[0]], *(_windows(window, seed) for window in seed.window_sizes[1:])],
        "mlp_ratio": ratios(seed.mlp_ratio),
        "mbconv_expand_ratio": ratios(seed.mbconv_expand_ratio),
        "resolution": resolutions(seed.resolution),
        "head_dim": [head_dim],
    }


def space(name: str, seed: TinyViTArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """TinyViT: widths, depths, windows, MLP and MBConv ratios, resolution.

    ``changes`` replaces the axes that it names.

    Raises:
        ScalerError: an axis that TinyViT does not have, or choices of the wrong form.
    """
    chosen = narrowed(axes(seed), changes or {}, len(seed.embed_dims))
    check_widths("embed_dims", [width for stage in chosen["embed_dims"][1:] for width in stage], chosen["head_dim"])
    return SearchSpace(name, seed, variables_of(chosen))


def _windows(window: int, seed: TinyViTArch) -> list[int]:
    """The seed's two kinds of window (7 and 14 at 224 pixels); a map of one token has no choice."""
    kinds = {kind for kind in seed.window_sizes[1:] if kind > 1}
    return [1] if window == 1 else sorted(kinds | {window})
