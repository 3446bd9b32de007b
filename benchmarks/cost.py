"""B1: FLOPs and parameters of random candidates of each family, ours against tools that count a built network.

fvcore, torch's FlopCounterMode, ptflops and calflops each get the network built and one image; only fvcore's count is compared,
since the others leave parts out, or count shared ones too often (docs/benchmarks.md).
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Figures, median_s, one_thread, peer, seconds
from experiments.runtime.progress import meter
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.budget import Budget
from scaler.cost.architecture import Architecture, cost_of
from scaler.cost.fvcore_count import count
from scaler.space.axes import is_nested
from scaler.space.cost_table import CostTable
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces import SPACES, open_space

NUM_CLASSES = 1000
_RATIOS, _WINDOWS = [0.7, 1.5, 2.3, 3.0, 4.0], [1, 2, 3, 4, 5, 7]
_ODD = {
    "resolution": list(range(20, 41)),
    "mlp_ratio": _RATIOS,
    "mbconv_expand_ratio": _RATIOS,
    "window_size": _WINDOWS,
    "window_sizes": _WINDOWS,
}


def run(quick: bool) -> Figures:
    return compare(checked=8 if quick else 2000, peers=3 if quick else 20, bulk=2_000_000 if quick else 10_000_000, repeats=5)


def compare(*, checked: int, peers: int, bulk: int, repeats: int) -> Figures:
    """``checked`` odd candidates of each family against fvcore, ``peers`` of published size timed, ``bulk`` points at once."""
    one_thread()
    counters = _counters()
    rng = np.random.default_rng(0)
    families = list({arch.family: None for arch in SEEDS.values()})
    spaces = [open_space(_seed_of(family), num_classes=NUM_CLASSES) for family in families]
    drawn = [FeasibleSet(_odd_space(family), Budget()).sample(checked, rng) for family in families]
    mismatches = _mismatches([arch for archs in drawn for arch in archs])
    timed = [arch for space in spaces for arch in FeasibleSet(space, Budget()).sample(peers, rng)]
    single = median(_single_s(space, rng, repeats) for space in spaces)
    sizes = [len(choices) for choices in spaces[0].variables.values()]
    points = rng.integers(sizes, size=(bulk, len(sizes)), dtype=np.int8)
    return {
        "mismatches": mismatches,
        "checked": sum(map(len, drawn)),
        "distinct": len({arch for archs in drawn for arch in archs}),
        "families": ", ".join(space.seed.family for space in spaces),
        "bulk_per_s": bulk / median_s(lambda: CostTable(spaces[0])(points), repeats),
        "single_us": 1e6 * single,
        **{
            f"speedup_vs_{name}": median(_counting_s(counter, arch) for arch in timed) / single
            for name, counter in counters.items()
        },
    }


def _odd_space(family: str) -> SearchSpace:
    """Around the family's smallest seed: any side of the image, windows that do not divide maps, ratios that round."""
    members = [(cost_of(arch).flops, name) for name, arch in SEEDS.items() if arch.family == family]
    seed = min(members)[1]
    own = open_space(seed).axes()
    odd = {axis: [choices] * len(own[axis]) if is_nested(own[axis]) else choices for axis, choices in _ODD.items() if axis in own}
    return SPACES[family](seed, SEEDS[seed], odd)


def _mismatches(archs: list[Architecture]) -> int:
    """Return the number of ``archs`` for which fvcore's count differs from ours; every core counts some."""
    found = 0
    with (
        ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=one_thread) as pool,
        meter("counting networks", len(archs), unit="networks") as shown,
    ):
        for differs in pool.map(_differs, archs, chunksize=8):
            found += differs
            shown.advance(1, f"{found} mismatches")
    return found


def _differs(arch: Architecture) -> bool:
    return cost_of(arch) != count(build(arch), arch.resolution)


def _single_s(space: SearchSpace, rng: np.random.Generator, repeats: int) -> float:
    """Seconds for one architecture at a time, all met for the first time, in a process that has costed others before."""
    batches = [FeasibleSet(space, Budget()).sample(1000, rng) for _ in range(repeats + 1)]
    return median([seconds(partial(_cost_each, batch)) for batch in batches][1:]) / 1000


def _cost_each(archs: list[Architecture]) -> None:
    for arch in archs:
        cost_of(arch)


def _counters() -> dict[str, Callable[[torch.nn.Module, int], Any]]:
    """By tool: a function of a network and the side of an image, in pixels."""
    ptflops, calflops = peer("ptflops", "ptflops"), peer("calflops", "calflops")
    quiet = {"print_results": False, "print_detailed": False, "output_as_string": False}

    def by_counter_mode(model: torch.nn.Module, side: int) -> int:
        with FlopCounterMode(display=False) as mode, torch.no_grad():
            model(torch.zeros(1, 3, side, side))
        return mode.get_total_flops()

    return {
        "fvcore": count,
        "flop_counter_mode": by_counter_mode,
        "ptflops": lambda model, side: ptflops.get_model_complexity_info(
            model, (3, side, side), print_per_layer_stat=False, as_strings=False
        ),
        "calflops": lambda model, side: calflops.calculate_flops(model=model, input_shape=(1, 3, side, side), **quiet),
    }


def _counting_s(counter: Callable[[torch.nn.Module, int], object], arch: Architecture) -> float:
    """Seconds to build a network and count it; what a tool prints goes to stderr."""
    with redirect_stdout(sys.stderr):
        return seconds(lambda: counter(build(arch).eval(), arch.resolution))


def _seed_of(family: str) -> str:
    """The largest seed of ``family`` at 224 pixels."""
    names = [name for name, arch in SEEDS.items() if (arch.family, arch.resolution) == (family, 224)]
    return max(names, key=lambda name: cost_of(SEEDS[name]).flops)
