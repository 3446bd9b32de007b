"""`scaler search`: the best variant under each budget.

Torch is loaded only once the request is known to be feasible, so that a request which cannot be met is refused at once.
"""

from typing import TYPE_CHECKING

from experiments.data.datasets import peek_num_classes
from experiments.options.search import SearchOptions
from scaler.cost.latency import LatencyModel
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.problem import spaces

if TYPE_CHECKING:
    from experiments.search.selection import Chosen


def search(options: SearchOptions) -> "list[Chosen]":
    """Run a search, or continue the one in ``options.out``, and draw its frontier.

    With several ``workers``, each is a process that trains candidates of the search; with ``as_worker`` this process joins a
    search that another one started.

    Returns:
        The chosen variant of each budget; nothing for a worker.

    Raises:
        InfeasibleError: if no architecture meets a budget; nothing is written then.
        ScalerError: if an input cannot be opened, or ``options.out`` holds another search.
    """
    num_classes = peek_num_classes(options.data)
    problem = None if num_classes is None else feasible_sets(options, num_classes)
    from experiments.commands.start_search import start_search  # loads torch

    return start_search(options, problem)


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
