"""Rules of thumb that turn a seed and a budget into one architecture: the baselines of a search."""

from collections.abc import Callable
from functools import partial

from scaler.budget import Bound
from scaler.cost.architecture import Architecture
from scaler.space.additive_optimum import exact_optimum, score_shapes
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import segment_tables
from search_spaces.compound_scaling import DEPTH, MLP_RATIO, RESOLUTION, WIDTH, compound_scaling

_SPENT = 0.95  # of the most FLOPs
Rule = Callable[[SearchSpace, FeasibleSet], tuple[int, ...]]


def highest_resolution(space: SearchSpace, feasible: FeasibleSet) -> tuple[int, ...]:
    """Return the point of the fewest parameters among members that spend the budget at the highest feasible resolution.

    They have at least 0.95 times the most FLOPs (or latency, if it is bounded) that the budget allows at that resolution. Exact.
    """
    feasible.require()
    sides, cost = feasible.choices().get(RESOLUTION), feasible.costs[0]
    whole = feasible.having({RESOLUTION: sides[-1]}) if sides else feasible
    most = whole.bounds()[cost][1]
    narrowed = whole.under(whole.budget.within(cost, Bound(max(_SPENT * most, whole.budget[cost].low), most)))
    shapes = score_shapes(narrowed.space)
    tables = zip(segment_tables(narrowed.space), shapes, strict=False)  # behind the segments come variables without cost
    found: Architecture = exact_optimum(narrowed, [-table.params.reshape(shape).astype(float) for table, shape in tables])[0]
    return space.point(found)


def _along(**exponents: float) -> Rule:
    """Return the rule that scales each kind of axis with compute to the power of its exponent, as far as the budget asks."""
    return partial(compound_scaling, rates={kind: 2.0**exponent for kind, exponent in exponents.items()})


RULES: dict[str, Rule] = {
    "uniform": compound_scaling,
    "width": _along(**{WIDTH: 0.5}),
    "depth": _along(**{DEPTH: 1.0}),
    "resolution": _along(**{RESOLUTION: 0.5}),
    # Source: Dollar et al. 2021 ("Fast and accurate model scaling"), section 5: of the logarithm of compute, which grows with the
    # square of width and of resolution, width takes 0.8, depth 0.1 and resolution 0.1.
    "fast": _along(**{WIDTH: 0.4, DEPTH: 0.1, RESOLUTION: 0.05}),
    # Source: Alabdulmohsin et al. 2023 (SoViT, arXiv:2305.13035), section 4: the MLP's width, depth and width grow with compute
    # to the powers 0.60, 0.45 and 0.22; the MLP's width is the width times its ratio.
    "sovit": _along(**{MLP_RATIO: 0.38, DEPTH: 0.45, WIDTH: 0.22}),
    "highest-resolution": highest_resolution,
}
