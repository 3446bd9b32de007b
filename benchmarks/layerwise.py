"""B7: a space of 7.7 * 10^13 transformers, decided layer by layer: exact count and optimum against a mixed-integer solver.

The space is AutoFormer-S's (Chen et al. 2021, table 2): widths 320, 384, 448; 12 to 14 layers, each with 5, 6 or 7 heads of 64
channels and an MLP ratio of 3, 3.5 or 4. It is described here alone: nothing but its parts is needed to search it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from benchmarks.measure import Figures, median_s, peer
from benchmarks.problem import additive_scores
from scaler.arrays import Floats
from scaler.budget import Bound, Budget
from scaler.cost.architecture import Segment, Value, Values
from scaler.cost.operators import Number, Part, attention, conv, layer_norm, linear, lookup_table, truncate
from scaler.space.additive_optimum import exact_optimum
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import segment_tables

_WIDTHS, _DEPTHS, _RATIOS, _HEADS = (320, 384, 448), (12, 13, 14), (3.0, 3.5, 4.0), (5, 6, 7)
_SIDE, _TOKENS, _HEAD_DIM = 14, 197, 64  # 224 pixels in patches of 16, and the class token
_LAYERS = max(_DEPTHS)


@dataclass(frozen=True, kw_only=True)
class LayerwiseArch:
    """A DeiT whose layers differ. Layers beyond ``depth`` do not exist: their entries hold the least choices."""

    embed_dim: int
    depth: int
    mlp_ratio: tuple[float, ...]
    num_heads: tuple[int, ...]
    resolution: int = 224
    num_classes: int = 1000

    @property
    def family(self) -> str:
        return "layerwise_deit"

    @property
    def timm_name(self) -> str:
        raise NotImplementedError("timm builds no DeiT whose layers differ")

    def timm_args(self) -> dict[str, Any]:
        raise NotImplementedError("timm builds no DeiT whose layers differ")

    def values(self) -> dict[str, Value]:
        values: dict[str, Value] = {"embed_dim": self.embed_dim, "depth": self.depth}
        values |= {f"mlp_ratio[{i}]": ratio for i, ratio in enumerate(self.mlp_ratio)}
        return values | {f"num_heads[{i}]": heads for i, heads in enumerate(self.num_heads)}

    def with_values(self, values: Values) -> "LayerwiseArch":
        mine: dict[str, Any] = {**self.values(), **values}
        ratios, heads = (tuple(mine[f"{axis}[{i}]"] for i in range(_LAYERS)) for axis in ("mlp_ratio", "num_heads"))
        return replace(self, embed_dim=mine["embed_dim"], depth=mine["depth"], mlp_ratio=ratios, num_heads=heads)

    def segments(self) -> tuple[Segment, ...]:
        return _SEGMENTS

    def with_task(self, *, resolution: int | None = None, num_classes: int | None = None) -> "LayerwiseArch":
        raise NotImplementedError("its parts are those of 224 pixels and 1000 classes")

    def to_dict(self) -> dict[str, Any]:
        return {"embed_dim": self.embed_dim, "depth": self.depth, "mlp_ratio": self.mlp_ratio, "num_heads": self.num_heads}


def _ends(dim: Number) -> list[Part]:
    """Everything but the layers."""
    return [
        conv("patch_embed.proj", 3, dim, 16, _SIDE),
        lookup_table("tokens", dim * (_TOKENS + 2)),  # positions, the class token and the patch embedding's bias
        layer_norm("norm", _TOKENS, dim),
        linear("head", 1, dim, 1000),
    ]


def _layer(i: int) -> Segment:
    def parts(dim: Number, depth: Number, ratio: Number, heads: Number) -> list[Part]:
        exists, inner, hidden = 1 * (depth > i), heads * _HEAD_DIM, truncate(dim * ratio)
        return [
            layer_norm("norm1", _TOKENS, dim, exists),
            linear("attn.qkv", _TOKENS, dim, 3 * inner, exists),
            attention("attn", _TOKENS, _TOKENS, inner, exists),
            linear("attn.proj", _TOKENS, inner, dim, exists),
            layer_norm("norm2", _TOKENS, dim, exists),
            linear("mlp.fc1", _TOKENS, dim, hidden, exists),
            linear("mlp.fc2", _TOKENS, hidden, dim, exists),
        ]

    def rule(_dim: Number, depth: Number, ratio: Number, heads: Number) -> Number:
        return (depth > i) | ((ratio == _RATIOS[0]) & (heads == _HEADS[0]))

    return Segment(f"blocks.{i}", ("embed_dim", "depth", f"mlp_ratio[{i}]", f"num_heads[{i}]"), parts, rule)


_SEGMENTS = (Segment("", ("embed_dim",), _ends), *(_layer(i) for i in range(_LAYERS)))


def space(layers: int = _LAYERS) -> SearchSpace:
    """The space; with fewer than 14 ``layers`` that may be chosen, the others have the least choices."""
    seed = LayerwiseArch(embed_dim=448, depth=14, mlp_ratio=_RATIOS[:1] * _LAYERS, num_heads=_HEADS[:1] * _LAYERS)
    variables: dict[str, tuple[Value, ...]] = {"embed_dim": _WIDTHS, "depth": _DEPTHS}
    variables |= {f"mlp_ratio[{i}]": _RATIOS for i in range(layers)} | {f"num_heads[{i}]": _HEADS for i in range(layers)}
    return SearchSpace("layerwise DeiT", seed, variables)


def budget() -> Budget:
    """About the middle of the space, so that both bounds bind: DeiT-Small's cost."""
    return Budget((("flops", Bound(0, 4_600_000_000)), ("params", Bound(0, 22_000_000))), "flops=4.6G,params=22M")


def run(quick: bool) -> Figures:
    return compare(layers=_LAYERS, repeats=5 if quick else 21)


def compare(*, layers: int, repeats: int) -> Figures:
    """Count and optimum from nothing, tables included, and the solver's optimum from the same tables of scores and costs."""
    pulp, chosen = peer("pulp", "pulp"), space(layers)
    scores = additive_scores(chosen, np.random.default_rng(0))
    found = exact_optimum(FeasibleSet(chosen, budget()), scores)[1]
    solved = solve(pulp, chosen, scores, budget())
    ours_s = median_s(lambda: (FeasibleSet(chosen, budget()).size, exact_optimum(FeasibleSet(chosen, budget()), scores)), repeats)
    mip_s = median_s(lambda: solve(pulp, chosen, scores, budget()), repeats)
    return {
        "space_size": FeasibleSet(chosen, Budget()).size,
        "feasible": FeasibleSet(chosen, budget()).size,
        "gap_to_mip": abs(found - solved) / solved,
        "ours_s": ours_s,
        "mip_s": mip_s,
        "speedup_vs_mip": mip_s / ours_s,
    }


def solve(pulp: Any, chosen: SearchSpace, scores: Sequence[Floats], limits: Budget) -> float:
    """The optimum by CBC: one (width, depth), and in it one choice for every layer, under both bounds."""
    problem = pulp.LpProblem("layerwise", pulp.LpMaximize)
    terms: list[tuple[Any, Floats]] = []  # a binary variable, and the score, FLOPs and parameters that it brings
    pairs = []
    for w, d in product(range(len(_WIDTHS)), range(len(_DEPTHS))):
        pair = problem.add_variable(f"pair_{w}_{d}", cat="Binary")
        pairs.append(pair)
        for i, options in enumerate(_options(chosen, scores, w, d)):
            taken = [problem.add_variable(f"x_{w}_{d}_{i}_{c}", cat="Binary") for c in range(len(options))]
            problem += pulp.lpSum(taken) == pair
            terms += zip(taken, options, strict=True)
    problem += pulp.lpSum(pairs) == 1
    problem += pulp.lpSum(score * x for x, (score, _, _) in terms)
    # In units of the bounds: the solver's tolerances are absolute.
    problem += pulp.lpSum(flops / limits["flops"].high * x for x, (_, flops, _) in terms) <= 1
    problem += pulp.lpSum(params / limits["params"].high * x for x, (_, _, params) in terms) <= 1
    problem.solve(pulp.PULP_CBC_CMD(msg=False, threads=1, gapRel=0))
    return float(pulp.value(problem.objective))


def _options(chosen: SearchSpace, scores: Sequence[Floats], width: int, depth: int) -> list[Floats]:
    """For each segment, its choices at one width and depth: arrays of (score, FLOPs, parameters), shape (choices, 3)."""
    found = []
    for costs, score in zip(segment_tables(chosen), scores, strict=True):
        at = (width, depth)[: len(costs.sizes)]  # the first segment reads the width alone
        columns = np.stack([score.ravel(), costs.flops, costs.params], axis=-1).reshape(*costs.sizes.values(), 3)[at]
        buildable = costs.buildable.reshape(tuple(costs.sizes.values()))[at]
        found.append(columns.reshape(-1, 3)[buildable.ravel()])
    return found
