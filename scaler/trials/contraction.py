"""TinyViT's progressive contraction as a strategy.

Source: Wu et al. 2022 and the authors' account of their search, whose code was not released: from the seed, candidates are made
by changing the contraction factors of the current model; those under the current limits are trained and scored on held-out
training images; the best becomes the next base; the limits tighten until the target. The original limits were parameters and
throughput on a V100; here they are what the budget bounds, FLOPs and parameters.

Several budgets lie on one path, from the largest to the smallest, as TinyViT-11M and -5M do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from scaler.budget import ADDITIVE_COSTS, Bound, Budget
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import History
from scaler.trials.strategy import Proposal, ProposalContext, as_point

# Neighbours differ by at most so many choices along each axis: widths by two heads (64 channels of the published models, whose
# widths move by 32), depths by two blocks. Where nothing lies so near under the limits, the radius grows.
RADIUS = 2
_MOST_STEPS, _POPULATION, _DRAWS = 4, 4, 64


@dataclass(frozen=True)
class ContractionStep:
    """One tightening of the limits.

    Attributes:
        budget: index of the budget on whose way it lies.
        limits: what its candidates meet; of the last step on the way, the budget and no less than the step before would allow.
        last: whether its candidates meet the budget itself.
    """

    budget: int
    limits: Budget
    last: bool


class Contraction:
    """In each step a population of the base's neighbours is scored, and the best of them is the next base.

    Args:
        trials: of the whole search, dealt out evenly over budgets, up to 4 steps each, at least 4 candidates a step where there
            are as many. After the last step it goes on around the best under each budget in turn.
    """

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self._open: tuple[tuple[Any, ...], FeasibleSet] | None = None

    def propose(self, ask: ProposalContext) -> Proposal:
        others = sum("step" not in notes for notes in ask.history.notes)  # which the search tried first: baselines
        share = max(1, (self.trials - others) // len(ask.sets))
        number = min(max(1, share // _POPULATION), _MOST_STEPS)
        steps = plan(ask.space, ask.sets, number)
        at = _current(ask.history, share // number)
        lasts = [step for step in steps if step.last]
        step = steps[at] if at < len(steps) else lasts[(at - len(steps)) % len(lasts)]
        base = _base(ask, at, step.budget if at >= len(steps) else None)
        neighbours = self._neighbours(ask, step, base)
        point = as_point(ask.draw(neighbours, _DRAWS)[0])
        limits = None if step.last or neighbours is ask.sets[step.budget] else step.limits
        return Proposal(point, step.budget, "contraction", limits, {"step": at, "base": list(base)})

    def _neighbours(self, ask: ProposalContext, step: ContractionStep, base: tuple[int, ...]) -> FeasibleSet:
        """The step's set, made once for all its candidates."""
        key = (step, base)
        if self._open is None or self._open[0] != key:
            self._open = key, step_set(ask.space, ask.sets[step.budget], step.limits, base)
        return self._open[1]


def plan(space: SearchSpace, sets: Sequence[FeasibleSet], number: int) -> list[ContractionStep]:
    """The steps of a path through all budgets: ``number`` for each, the limits of flops and params tightening geometrically."""
    start = {cost: float(value) for cost, value in space.quantities(space.seed).items() if cost in ADDITIVE_COSTS}
    order = sorted(range(len(sets)), key=lambda i: tuple(-min(sets[i].budget[cost].high, start[cost]) for cost in start))
    steps = []
    for i in order:
        budget = sets[i].budget
        target = {cost: min(start[cost], budget[cost].high) for cost in start}
        steps += [ContractionStep(i, _limits(budget, start, target, k, number), k == number) for k in range(1, number + 1)]
        start = target
    return steps


def step_set(space: SearchSpace, feasible: FeasibleSet, limits: Budget, base: Sequence[int]) -> FeasibleSet:
    """The neighbours of the point ``base`` that meet ``limits``; the radius grows until some do.

    Where no point of the space does (the seed costs less than the budget asks for, for example), it is ``feasible`` itself.
    """
    choices = feasible.space.variables
    middle = feasible.space.nearest(space.values(base))
    for radius in range(RADIUS, RADIUS + max(map(len, choices.values()))):
        around = {
            name: all_[max(0, i - radius) : i + radius + 1] for (name, all_), i in zip(choices.items(), middle, strict=True)
        }
        near = FeasibleSet(replace(feasible.space, variables=around), limits)
        for found in (near, near.under(_open_below(limits, feasible.budget))):
            if found.size:
                return found
    return feasible


def _current(history: History, population: int) -> int:
    """The number of the open step: the next one once a population was proposed."""
    taken = [notes["step"] for notes in history.notes if "step" in notes]
    at = max(taken, default=0)
    return at + (taken.count(at) >= population)


def _base(ask: ProposalContext, at: int, budget: int | None) -> tuple[int, ...]:
    """The best of the step before; the seed at the beginning; after the path's end the best under ``budget``."""
    notes = ask.history.notes
    before = [i for i, note in enumerate(notes) if note.get("step", -1) == at - 1 >= 0]
    under = [i for i, note in enumerate(notes) if budget is not None and note["budget"] == budget and not note["limits"]]
    for among in (under, before):
        scored = [i for i in among if ask.history.scored[i]]
        if scored:
            return as_point(ask.history.points[max(scored, key=lambda i: float(ask.history.scores[i, 0]))])
    return tuple(notes[before[0]]["base"]) if before else ask.space.nearest(ask.space.seed.values())


def _limits(budget: Budget, start: dict[str, float], target: dict[str, float], k: int, number: int) -> Budget:
    """Limits ``k`` of ``number`` steps from ``start`` to ``target``; below, those of the step after bound the leading cost."""
    bounded = [cost for cost in start if budget[cost].high < inf]
    found = budget
    for cost in bounded:
        ratio = (target[cost] / start[cost]) ** (1 / number)
        high = budget[cost].high if k == number else float(int(start[cost] * ratio**k))
        low = max(float(int(high * min(ratio, 0.9))), budget[cost].low) if cost == bounded[0] else 0.0
        found = found.within(cost, Bound(low, high))
    return found


def _open_below(limits: Budget, budget: Budget) -> Budget:
    """``limits`` without the lower bounds that are not the budget's own."""
    for cost in ADDITIVE_COSTS:
        if limits[cost].high < inf:
            limits = limits.within(cost, Bound(min(budget[cost].low, limits[cost].low), limits[cost].high))
    return limits
