"""The lines that a search prints before its first trial: how far candidates may lie below a budget, and the time ahead."""

from collections.abc import Iterator
from itertools import islice
from math import inf
from statistics import mean

from experiments.options.search import TRAINING_SCORE
from experiments.search.run_folder import SearchContext
from scaler.budget import ADDITIVE_COSTS, Bound, format_value
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.study import SearchStudy
from scaler.trials.surrogate import STARTUP
from scaler.units import format_duration
from search_spaces.compound_scaling import compound_scaling

_FAR, _BAND = 0.5, 0.9  # fractions of a bound


def say_outlook(context: SearchContext, study: SearchStudy) -> None:
    """Print the outlook of a search that is not finished."""
    extent = context.extent
    if not extent.is_open(study):
        return
    if not study.finished():
        for line in (*_wide_budgets(context), *_idle_strategy(context)):
            context.say(line)
    seconds = mean(_seconds(feasible, context) for feasible in context.sets)
    left = extent.fitting(seconds) - study.finished()
    most = "at most " if context.options.pruner != "none" else ""
    alone = " in one process" if context.options.workers != 1 else ""
    trained = context.options.score == TRAINING_SCORE
    work, measured = ("train", "updates") if trained else ("cut and score", "one")
    if extent.hours is None:
        needed = format_duration(left * seconds)
        context.say(f"{left} candidates to {work}: {most}about {needed}{alone}, by {measured} measured now")
    else:
        context.say(f"about {max(left, 0)} candidates fit into --hours {extent.hours:g}, by {measured} measured now")


def _wide_budgets(context: SearchContext) -> Iterator[str]:
    """Yield a line for each budget with an upper bound alone, far above the cheapest architecture, and a band that helps."""
    for feasible in context.sets:
        wide = (cost for cost in ADDITIVE_COSTS if feasible.budget[cost].low == 0 and _is_far(feasible, cost))
        for cost in islice(wide, 1):
            least, high = (format_value(cost, end) for end in (feasible.bounds()[cost][0], int(feasible.budget[cost].high)))
            band = f"{cost}={format_value(cost, int(_BAND * feasible.budget[cost].high))}..{high}"
            yield f"{feasible.budget}: candidates have {least} {cost} and more; a band, such as {band}, keeps them near the bound"


def _is_far(feasible: FeasibleSet, cost: str) -> bool:
    """Return True if a bound is far above the cheapest architecture and some architectures are near it."""
    high = feasible.budget[cost].high
    if high == inf or cost not in feasible.costs:
        return False
    near = feasible.under(feasible.budget.within(cost, Bound(int(_BAND * high), high)))
    return feasible.bounds()[cost][0] < _FAR * high and near.size > 0


def _idle_strategy(context: SearchContext) -> Iterator[str]:
    """Yield a line if the strategy proposes nothing in so few trials."""
    if context.options.strategy == "surrogate" and context.options.most_trials <= STARTUP:
        yield f"surrogate draws uniformly until {STARTUP} trials have a score: raise --trials for it to propose candidates"


def _seconds(feasible: FeasibleSet, context: SearchContext) -> float:
    """Return the estimated time of scoring a candidate of a budget: that of the seed scaled uniformly to it."""
    arch = context.space.arch(compound_scaling(context.space, feasible))
    return context.backend.estimate(context.spec_of("estimate", arch), seed=context.options.seed, final=False)
