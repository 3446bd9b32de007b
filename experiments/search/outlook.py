"""The lines that a search prints before its first trial: how far candidates may lie below a budget, and the time ahead."""

from collections.abc import Iterator
from math import inf
from statistics import mean

from experiments.search.run_folder import SearchContext
from models.networks.model_spec import model_spec_of
from scaler.budget import format_value
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.study import SearchStudy
from scaler.trials.surrogate import STARTUP
from scaler.units import format_duration
from search_spaces.compound_scaling import compound_scaling

_FAR = 0.5  # of a bound; uniform draws may cost less


def say_outlook(context: SearchContext, study: SearchStudy) -> None:
    """Print the outlook of a search that is not finished."""
    left = context.options.trials - study.finished()
    if left <= 0:
        return
    if not study.finished():
        for line in (*_wide_budgets(context), *_idle_strategy(context)):
            context.say(line)
    seconds = left * mean(_seconds(feasible, context) for feasible in context.sets)
    most = "at most " if context.options.pruner != "none" else ""
    alone = " in one process" if context.options.workers > 1 else ""
    context.say(f"{left} candidates to train: {most}about {format_duration(seconds)}{alone}, by updates measured now")


def _wide_budgets(context: SearchContext) -> Iterator[str]:
    """Yield a line for each budget that bounds FLOPs or parameters from above alone, far above the cheapest architecture."""
    for feasible in context.sets:
        for cost in feasible.costs:
            bound, (least, _) = feasible.budget[cost], feasible.bounds()[cost]
            if cost != "latency" and bound.low == 0 and least < _FAR * bound.high < inf:
                high = format_value(cost, int(bound.high))
                yield (
                    f"{feasible.budget}: candidates have {format_value(cost, least)} {cost} and more; a band, such as "
                    f"{cost}={format_value(cost, int(0.9 * bound.high))}..{high}, keeps them near the bound"
                )


def _idle_strategy(context: SearchContext) -> Iterator[str]:
    """Yield a line if the strategy proposes nothing in so few trials."""
    if context.options.strategy == "surrogate" and context.options.trials <= STARTUP:
        yield f"surrogate draws uniformly until {STARTUP} trials have a score: raise --trials for it to propose candidates"


def _seconds(feasible: FeasibleSet, context: SearchContext) -> float:
    """Return the estimated time of scoring a candidate of a budget: that of the seed scaled uniformly to it."""
    arch = context.space.arch(compound_scaling(context.space, feasible))
    return context.backend.estimate(model_spec_of("estimate", arch), seed=context.options.seed, final=False)
