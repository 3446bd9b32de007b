"""The space around a TinyViT.

The contraction factors are those of Wu et al. 2022: widths D1-4, depths N1-4, windows W2-4, MBConv ratio R, MLP ratio M, head
dim E; widths move by whole heads (multiples of 32 in the published models). Resolution is ours: it buys FLOPs at no parameters.
"""

from typing import Any

from models.tiny_vit.arch import TinyViTArch
from scaler.space.axes import narrowed, variables_of
from scaler.space.search_space import SearchSpace
from search_spaces.choices import by_stage, check_shares, check_widths, ratios, resolutions, shares, widths


def axes(seed: TinyViTArch) -> dict[str, Any]:
    """Return the axes of ``seed``'s own space: no choice is above the seed's but for windows, which cost almost nothing."""
    head_dim = seed.head_dims()["head_dim[1]"]
    return {
        "embed_dims": [widths(dim, head_dim) for dim in seed.embed_dims],
        "depths": [list(range(1, depth + 1)) for depth in seed.depths],
        "share": [[1], *(shares(seed, passes) for passes in seed.share[1:])],
        "window_sizes": [[seed.window_sizes[0]], *(_windows(window, seed) for window in seed.window_sizes[1:])],
        "mlp_ratio": ratios(seed.mlp_ratio),
        "mbconv_expand_ratio": ratios(seed.mbconv_expand_ratio),
        "resolution": resolutions(seed.resolution),
        "head_dim": [head_dim],
    }


def space(name: str, seed: TinyViTArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """TinyViT and Mini-TinyViT: widths, depths, sharing, windows, MLP and MBConv ratios, resolution.

    ``changes`` replaces the axes that it names; ``share`` may be one list for all stages.

    Raises:
        ScalerError: if TinyViT has no such axis, or choices are malformed.
    """
    chosen = narrowed(axes(seed), changes or {}, len(seed.embed_dims), either=("share",))
    check_widths("embed_dims", [width for stage in chosen["embed_dims"][1:] for width in stage], chosen["head_dim"])
    if "share" in (changes or {}):
        check_shares(by_stage(chosen["share"], len(seed.depths))[1:], chosen["depths"][1:])
    return SearchSpace(name, seed, variables_of(chosen))


def _windows(window: int, seed: TinyViTArch) -> list[int]:
    """Return the seed's two kinds of window (7 and 14 at 224 pixels); a map of one token has no choice."""
    kinds = {kind for kind in seed.window_sizes[1:] if kind > 1}
    return [1] if window == 1 else sorted(kinds | {window})
