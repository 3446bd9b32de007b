"""B6 and B9: the best additive score under a budget, and its whole frontier, against optimisers at equal or longer time."""

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from benchmarks.measure import Figures, median_s
from benchmarks.peers import Problem, genetic, optuna_search
from benchmarks.problem import AXES, MOST_PARAMS, SEED, TARGET_FLOPS, additive_scores, budget
from scaler.arrays import Floats
from scaler.budget import Bound, Budget
from scaler.space.additive_optimum import exact_frontier, exact_optimum
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces import open_space

SearchContext = Callable[..., None]
_PEERS: dict[str, SearchContext] = {"pymoo": genetic, "optuna": optuna_search}
_UPPER = Budget((("flops", Bound(0, TARGET_FLOPS)), ("params", Bound(0, MOST_PARAMS))), "flops=1.27G,params=5.4M")


def run(quick: bool) -> Figures:
    times = (1.0, 4.0) if quick else (1.0, 10.0)
    large = open_space(SEED, axes=AXES)
    return compare(open_space(SEED), times=times, seeds=range(1 if quick else 5), repeats=5) | at_scale(large, 1 if quick else 5)


def compare(space: SearchSpace, *, times: tuple[float, float], seeds: Sequence[int], repeats: int) -> Figures:
    """Ours and every peer on one space; ``times`` are two limits in seconds, of which a peer's run meets both."""
    scores = additive_scores(space, np.random.default_rng(0))
    exact = greatest_of_all(FeasibleSet(space, budget()), scores)
    found: Figures = {
        "gap": (exact - exact_optimum(FeasibleSet(space, budget()), scores)[1]) / exact,
        "ours_s": median_s(lambda: exact_optimum(FeasibleSet(space, budget()), scores), repeats),
    }
    gaps = {}
    for name, search in _PEERS.items():
        traces = [traced(search, Problem(space, scores, budget()), times[1], seed) for seed in seeds]
        for limit in times:
            gaps[f"{name}_gap_{limit:g}s"] = median((exact - problem.best_by(limit)) / exact for problem in traces)
    front = exact_frontier(FeasibleSet(space, _UPPER), scores)
    whole = area([space.cost(arch).flops for arch, _ in front], [score for _, score in front])
    found |= {"best_peer_gap": min(gap for key, gap in gaps.items() if key.endswith(f"_{times[1]:g}s"))} | gaps
    found |= {
        "frontier_points": len(front),
        "frontier_s": median_s(lambda: exact_frontier(FeasibleSet(space, _UPPER), scores), repeats),
    }
    for name, search in _PEERS.items():
        problems = [traced(search, Problem(space, scores, _UPPER), times[1], seed, front=True) for seed in seeds]
        found[f"{name}_hypervolume_{times[1]:g}s"] = median(_area_of(problem) for problem in problems) / whole
    return found


def at_scale(space: SearchSpace, repeats: int) -> Figures:
    """Seconds for the optimum and the frontier, tables included, in a space of 10^10 points."""
    scores = additive_scores(space, np.random.default_rng(0))
    return {
        "large_space_size": space.size,
        "large_ours_s": median_s(lambda: exact_optimum(FeasibleSet(space, budget()), scores), repeats),
        "large_frontier_s": median_s(lambda: exact_frontier(FeasibleSet(space, _UPPER), scores), repeats),
    }


def greatest_of_all(feasible: FeasibleSet, scores: Sequence[Floats]) -> float:
    """The greatest score among all members, each listed and scored."""
    return float(Problem(feasible.space, scores, feasible.budget).evaluate(feasible.points(np.arange(feasible.size)))[1].max())


def traced(search: SearchContext, problem: Problem, seconds: float, seed: int, *, front: bool = False) -> Problem:
    search(problem, seconds, seed, front=front)
    return problem


def area(flops: Sequence[int], scores: Sequence[float]) -> float:
    """The area under the best score for every amount of FLOPs, from 0 to the budget: the hypervolume."""
    order = np.argsort(flops, kind="stable")
    ends = np.append(np.asarray(flops)[order], TARGET_FLOPS)
    return float(np.sum(np.maximum.accumulate(np.asarray(scores)[order]) * np.diff(ends)))


def _area_of(problem: Problem) -> float:
    return area([flops for _, flops, _ in problem.trace], [score for *_, score in problem.trace])
