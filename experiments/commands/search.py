"""`scaler search`: the best variant under each budget.

Torch is loaded only once the request is known to be feasible, so that a request which cannot be met is refused at once.
"""

from typing import TYPE_CHECKING

from experiments.commands.chosen_recipe import recipe_of
from experiments.commands.feasible_sets import feasible_sets
from experiments.data.datasets import peek_num_classes
from experiments.options.search import SearchOptions

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
    from experiments.search.workers import Workers  # loads Optuna

    with Workers(options) as workers:
        if problem:
            workers.start(problem[1], recipe_of(options).batch_size)  # they load torch and timm beside this process
        from experiments.commands.start_search import start_search

        return start_search(options, problem, workers)
