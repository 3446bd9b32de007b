"""The space around a DeiT."""

from typing import Any

from models.deit.arch import DeiTArch
from scaler.space.axes import narrowed, variables_of
from scaler.space.search_space import SearchSpace
from search_spaces.choices import check_resolutions, check_shares, check_widths, ratios, resolutions, shares, widths


def axes(seed: DeiTArch) -> dict[str, Any]:
    """Return the axes of ``seed``'s own space; resolutions keep whole patches."""
    head_dim = seed.head_dims()["head_dim"]
    return {
        "embed_dim": widths(seed.embed_dim, head_dim),
        "depth": list(range(1, seed.depth + 1)),
        "share": shares(seed, seed.share),
        "mlp_ratio": ratios(seed.mlp_ratio),
        "resolution": [side for side in resolutions(seed.resolution) if side % seed.patch_size == 0],
        "head_dim": [head_dim],
    }


def space(name: str, seed: DeiTArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """DeiT and Mini-DeiT: width, depth, sharing, MLP ratio, resolution.

    ``changes`` replaces the axes that it names.
    """
    chosen = narrowed(axes(seed), changes or {})
    check_widths("embed_dim", chosen["embed_dim"], chosen["head_dim"])
    check_resolutions(chosen["resolution"], seed.patch_size)
    if "share" in (changes or {}):
        check_shares([chosen["share"]], [chosen["depth"]])
    return SearchSpace(name, seed, variables_of(chosen))
