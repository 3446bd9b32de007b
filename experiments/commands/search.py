"""`scaler search`: the best variant under each budget.

Torch is loaded only once the request is known to be feasible, so that a request which cannot be met is refused at once.
"""

from typing import TYPE_CHECKING

from experiments.commands.chosen_recipe import recipe_of
from experiments.commands.feasible_sets import feasible_sets
from experiments.data.datasets import peek_num_classes
from experiments.options.search import ELASTIC_SCORE, SearchOptions
from scaler.errors import ScalerError

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
    _check_score(options)
    if options.hours and not options.trials and options.strategy == "contraction":
        raise ScalerError(f"--hours {options.hours:g}: contraction plans its steps over a number of trials: add --trials")
    num_classes = peek_num_classes(options.data)
    problem = None if num_classes is None else feasible_sets(options, num_classes)
    from experiments.search.workers import Workers  # loads Optuna

    with Workers(options) as workers:
        if problem:
            workers.start(problem[1], recipe_of(options).batch_size)  # they load torch and timm beside this process
        from experiments.commands.start_search import start_search

        return start_search(options, problem, workers)


def _check_score(options: SearchOptions) -> None:
    """Refuse options of trainings where members of an elastic seed are scored, which are not trained.

    Raises:
        ScalerError: with the first such option.
    """
    if options.score != ELASTIC_SCORE:
        return
    given = {
        "start": options.start == "random",
        "teacher": options.teacher is not None,
        "logits": options.logits is not None,
        "pruner": options.pruner != "none",
        "first_rung": options.first_rung is not None,
        "low_resolution": options.low_resolution < 1,
        "finalists": bool(options.finalists),
        "final_recipe": options.final_recipe is not None,
        "holdout_share": options.holdout_share is not None,
    }
    for name in (name for name, is_given in given.items() if is_given):
        flag = f"--{name.replace('_', '-')} {getattr(options, name)}"
        raise ScalerError(
            f"{flag}: --score {ELASTIC_SCORE} scores candidates as they are cut and trains none: leave one of them out"
        )
