"""B3, B4, B5: a feasible set of 10^10 points counted and drawn from, its draws uniform, an empty one proved empty.

No peer counts or draws uniformly: what others do instead is rejection, whose cost per accepted candidate follows from the exact
share of the space that is feasible and fvcore's time for one candidate.
"""

import json
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Figures, cold, median_s, one_thread, seconds
from benchmarks.problem import AXES, SEED, SMALL_SEED, budget
from models.zoo.families import build
from scaler.budget import Budget
from scaler.cost.architecture import Architecture
from scaler.cost.fvcore_count import count
from scaler.errors import InfeasibleError
from scaler.space.cost_table import CostTable
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces import open_space

_NEEDED = 150_000  # distinct feasible candidates, as the published rejection tables hold


def run(quick: bool) -> Figures:
    starts = [cold("benchmarks.cold_feasible") for _ in range(3 if quick else 7)]
    large, draws = json.loads(starts[0][1]), 200_000 if quick else 1_000_000
    space = open_space(SEED, axes=AXES)
    feasible = FeasibleSet(space, budget())
    return {
        "space_size": large["space_size"],
        "feasible": large["feasible"],
        "cold_s": median(took for took, _ in starts),
        **drawing(feasible, n=draws, repeats=5),
        "distinct_150k_s": median_s(lambda: distinct(FeasibleSet(space, budget()), _NEEDED), 1 if quick else 5),
        **rejection(feasible, timed=3 if quick else 20),
        **uniformity(open_space(SMALL_SEED), n=draws),
        **bands(open_space(SEED), repeats=3 if quick else 7),
    }


def drawing(feasible: FeasibleSet, *, n: int, repeats: int) -> Figures:
    """Draws per second, and how many of ``n`` break the budget by their costs."""
    rng = np.random.default_rng(0)
    bad = n - _admitted(feasible, feasible.sample_points(n, rng))
    return {"draws_per_s": n / median_s(lambda: feasible.sample_points(n, rng), repeats), "bad_draws": bad}


def distinct(feasible: FeasibleSet, n: int) -> list[Architecture]:
    """``n`` architectures that all differ: ranks drawn without replacement."""
    ranks = np.random.default_rng(0).choice(feasible.size, n, replace=False, shuffle=False)
    return [feasible.space.arch(point) for point in feasible.points(ranks)]


def uniformity(space: SearchSpace, *, n: int) -> Figures:
    """Chi-square of ``n`` draws over every cell of a feasible set, whose size is checked by costing all of its space."""
    from scipy.stats import chisquare

    feasible = FeasibleSet(space, budget(0.2))
    sizes = [len(choices) for choices in space.variables.values()]
    listed = _admitted(feasible, np.indices(sizes, np.int8).reshape(len(sizes), -1).T)
    cells, counts = np.unique(feasible.sample_points(n, np.random.default_rng(0)), axis=0, return_counts=True)
    p = float(chisquare(np.append(counts, np.zeros(feasible.size - len(cells)))).pvalue)
    return {"uniform_p": p, "uniform_cells": feasible.size, "brute_force_difference": feasible.size - listed}


def bands(space: SearchSpace, *, repeats: int) -> Figures:
    """Seconds to count narrower and narrower bands, and to refuse an empty one with its nearest miss, each from nothing."""
    shares = {"band_1pct_s": 1e-2, "band_01pct_s": 1e-3, "band_001pct_s": 1e-4}
    found: Figures = {key: median_s(partial(_count, space, budget(share)), repeats) for key, share in shares.items()}
    return found | {"empty_s": median_s(partial(_refuse, space, budget(1e-7)), repeats)}


def rejection(feasible: FeasibleSet, *, timed: int) -> Figures:
    """Estimate the time of rejection sampling: fvcore's measured time over the exact fraction that is accepted."""
    one_thread()
    drawn = feasible.sample(timed, np.random.default_rng(0))
    each = median(seconds(partial(_build_and_count, arch)) for arch in drawn)
    return {"rejection_150k_s": _NEEDED * each * feasible.space.size / feasible.size}


def _admitted(feasible: FeasibleSet, points: NDArray[np.integer]) -> int:
    """Return the number of ``points`` whose costs the budget admits."""
    bounds = feasible.budget["flops"], feasible.budget["params"]
    pairs = zip(bounds, CostTable(feasible.space)(points), strict=True)
    return int(np.all([(cost >= bound.low) & (cost <= bound.high) for bound, cost in pairs], axis=0).sum())


def _count(space: SearchSpace, within: Budget) -> int:
    return FeasibleSet(space, within).size


def _refuse(space: SearchSpace, within: Budget) -> None:
    try:
        FeasibleSet(space, within).require()
    except InfeasibleError:
        return
    raise AssertionError(f"{within} is not empty")


def _build_and_count(arch: Architecture) -> None:
    count(build(arch), arch.resolution)
