"""The feasible sets of searches and shrinkings, without torch unless a budget bounds latency."""

from experiments.options.search import SearchOptions
from experiments.options.train import ShrinkOptions
from scaler.cost.latency import LatencyModel
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.units import format_quantity
from search_spaces.problem import spaces


def feasible_sets(options: SearchOptions, num_classes: int) -> tuple[SearchSpace, list[FeasibleSet]]:
    """Return the space of a search and the feasible set of each budget.

    Raises:
        InfeasibleError: if a set is empty.
    """
    space, sets = spaces(options.seed_model, options.budget, axes=options.axes, num_classes=num_classes, latency=_latency_model)
    for feasible in sets:
        feasible.require()
    return space, sets


def smaller_set(options: ShrinkOptions, num_classes: int | None) -> tuple[SearchSpace, FeasibleSet]:
    """Return the space around the seed of a shrinking, and the feasible set of its budget.

    Raises:
        InfeasibleError: if the set is empty.
        ScalerError: if the seed itself is in it.
    """
    space, (feasible,) = spaces(
        options.seed_model, [options.budget], axes=options.axes, num_classes=num_classes, latency=_latency_model
    )
    feasible.require()
    if space.seed in feasible:
        cost = "{} FLOPs, {} parameters".format(*map(format_quantity, space.cost(space.seed)))
        raise ScalerError(f"--budget {options.budget}: {options.seed_model} meets it as it is ({cost}): ask for less")
    return space, feasible


def _latency_model(space: SearchSpace) -> LatencyModel:
    from experiments.search.latency import known_or_learned  # loads torch

    return known_or_learned(space)
