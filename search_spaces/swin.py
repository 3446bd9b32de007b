"""The space around a Swin."""

from typing import Any

from models.swin.arch import SwinArch
from scaler.space.axes import narrowed, variables_of
from scaler.space.search_space import SearchSpace
from search_spaces.choices import by_stage, check_resolutions, check_shares, check_widths, ratios, resolutions, shares, widths


def axes(seed: SwinArch) -> dict[str, Any]:
    """Return the axes of ``seed``'s own space. One width serves all stages, since each is twice as wide as the one before."""
    head_dim = seed.head_dims()["head_dim[0]"]
    return {
        "embed_dim": widths(seed.embed_dim, head_dim),
        "depths": [list(range(1, depth + 1)) for depth in seed.depths],
        "share": [shares(seed, passes) for passes in seed.share],
        "window_size": [sorted({window, *seed.window_size}) for window in seed.window_size],
        "mlp_ratio": [ratios(ratio) for ratio in seed.mlp_ratio],
        "resolution": resolutions(seed.resolution),
        "head_dim": [head_dim],
    }


def space(name: str, seed: SwinArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """Swin and Mini-Swin: width; depths, sharing, windows and MLP ratio of each stage; resolution.

    ``changes`` replaces the axes that it names; ``share``, ``window_size`` and ``mlp_ratio`` may be one list for all stages.
    """
    chosen = narrowed(axes(seed), changes or {}, len(seed.depths), either=("share", "window_size", "mlp_ratio"))
    check_widths("embed_dim", chosen["embed_dim"], chosen["head_dim"])
    check_resolutions(chosen["resolution"], seed.patch_size)
    if "share" in (changes or {}):
        check_shares(by_stage(chosen["share"], len(seed.depths)), chosen["depths"])
    return SearchSpace(name, seed, variables_of(chosen))
