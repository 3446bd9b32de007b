"""B1: FLOPs and parameters of random candidates of each family, ours against fvcore and ptflops on the built network."""

from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import Figures, median_s, one_thread, peer, seconds
from models.families import build
from models.seeds import SEEDS
from scaler.budget import Budget
from scaler.bulk import CostTable
from scaler.counting import count
from scaler.family import Architecture, cost_of
from scaler.feasible import FeasibleSet
from scaler.space import SearchSpace
from search_spaces import open_space

NUM_CLASSES = 1000


def run(quick: bool) -> Figures:
    return compare(checked=8 if quick else 1000, peers=3 if quick else 20, bulk=2_000_000 if quick else 10_000_000, repeats=5)


def compare(*, checked: int, peers: int, bulk: int, repeats: int) -> Figures:
    """``checked`` candidates of each family against fvcore; ``peers`` of them timed; ``bulk`` points costed at once."""
    one_thread()
    ptflops = peer("ptflops", "ptflops")
    rng = np.random.default_rng(0)
    spaces = [open_space(_seed_of(family), num_classes=NUM_CLASSES) for family in {arch.family: None for arch in SEEDS.values()}]
    drawn = [FeasibleSet(space, Budget()).sample(checked, rng) for space in spaces]
    mismatches = sum(cost_of(arch) != count(build(arch), arch.resolution) for archs in drawn for arch in archs)
    timed = [arch for archs in drawn for arch in archs[:peers]]
    single = median(_single_s(space, rng, repeats) for space in spaces)
    sizes = [len(choices) for choices in spaces[0].variables.values()]
    points = rng.integers(sizes, size=(bulk, len(sizes)), dtype=np.int8)
    return {
        "mismatches": mismatches,
        "checked": sum(map(len, drawn)),
        "families": ", ".join(space.seed.family for space in spaces),
        "bulk_per_s": bulk / median_s(lambda: CostTable(spaces[0])(points), repeats),
        "single_us": 1e6 * single,
        "speedup_vs_fvcore": median(seconds(partial(_by_fvcore, arch)) for arch in timed) / single,
        "speedup_vs_ptflops": median(seconds(partial(_by_ptflops, ptflops, arch)) for arch in timed) / single,
    }


def _single_s(space: SearchSpace, rng: np.random.Generator, repeats: int) -> float:
    """Seconds for one architecture at a time, all met for the first time, in a process that has costed others before."""
    batches = [FeasibleSet(space, Budget()).sample(1000, rng) for _ in range(repeats + 1)]
    return median([seconds(partial(_cost_each, batch)) for batch in batches][1:]) / 1000


def _cost_each(archs: list[Architecture]) -> None:
    for arch in archs:
        cost_of(arch)


def _by_fvcore(arch: Architecture) -> None:
    count(build(arch), arch.resolution)


def _by_ptflops(ptflops: Any, arch: Architecture) -> None:
    shape = (3, arch.resolution, arch.resolution)
    ptflops.get_model_complexity_info(build(arch).eval(), shape, print_per_layer_stat=False, as_strings=False)


def _seed_of(family: str) -> str:
    """The largest seed of ``family`` at 224 pixels."""
    names = [name for name, arch in SEEDS.items() if (arch.family, arch.resolution) == (family, 224)]
    return max(names, key=lambda name: cost_of(SEEDS[name]).flops)
