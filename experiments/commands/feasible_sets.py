"""The feasible sets of a search, without torch unless a budget bounds latency."""

from experiments.options.search import SearchOptions
from scaler.cost.latency import LatencyModel
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
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


def _latency_model(space: SearchSpace) -> LatencyModel:
    from experiments.search.latency import known_or_learned  # loads torch

    return known_or_learned(space)
