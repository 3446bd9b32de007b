"""The problem that several benchmarks share: TinyViT-21M's space under the cost of the published 5M, within 1 % of 1.27 G."""

from pathlib import Path

import numpy as np

from scaler.arrays import Floats, Ints
from scaler.budget import Bound, Budget
from scaler.space.additive_optimum import score_shapes
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import segment_tables

SEED = "tiny_vit_21m_224"
SMALL_SEED = "tiny_vit_5m_224"  # its space of 2.7 million points can be listed
# 1.2 * 10^10 points: the published TinyViTs' choices, widths in steps of 16 (8 in the first stage).
AXES = Path(__file__).with_name("axes_10e10.json")
TARGET_FLOPS, MOST_PARAMS = 1_270_000_000, 5_400_000


def budget(share: float = 0.01, params: int = MOST_PARAMS) -> Budget:
    """FLOPs within ``share`` of the target and at most ``params`` parameters."""
    flops = Bound(round(TARGET_FLOPS * (1 - share)), round(TARGET_FLOPS * (1 + share)))
    return Budget((("flops", flops), ("params", Bound(0, params))), f"{share:.2%} about 1.27G, params={params / 1e6:g}M")


def additive_scores(space: SearchSpace, rng: np.random.Generator) -> list[Floats]:
    """A score table per segment, such as accuracy might have: growing with its FLOPs, ever less, and varied by 20 %."""
    tables = zip(segment_tables(space), score_shapes(space), strict=False)
    return [_growing(table.flops).reshape(shape) * rng.uniform(0.8, 1.2, shape) for table, shape in tables]


def _growing(flops: Ints) -> Floats:
    grown: Floats = np.sqrt(flops / max(flops.max(), 1))
    return grown
