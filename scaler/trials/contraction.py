"""TinyViT's progressive contraction as a strategy.

Source: Wu et al. 2022 and the authors' account of their search, whose code was not released: from the seed, candidates are made
by changing the contraction factors of the current model; those under the current limits are trained and scored on held-out
training images; the best becomes the next base; the limits tighten until the target. The original limits were parameters and
throughput on a V100; here they are the costs that the budget bounds, FLOPs and parameters. As one score is noisy, candidates of a
step start from the best few of the step before in turn, the best one first.

Several budgets lie on one path, from the largest to the smallest, as TinyViT-11M and -5M do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from scaler.budget import ADDITIVE_COSTS, Bound, Budget
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import History
from scaler.trials.strategy import Proposal, ProposalContext, as_point

# Neighbours differ by at most so many choices along each axis: widths by two heads (64 channels of the published models, whose
# widths move by 32), depths by two blocks. If no neighbour is under the limits, the radius grows.
RADIUS = 2
_MOST_STEPS, _POPULATION = 4, 4  # per budget, and candidates per step at least
_BASES = 3  # the best of a step, but half of it at most, that are the next bases
_DRAWS = 64  # neighbours drawn to find one that was not tried yet


@dataclass(frozen=True)
class ContractionStep:
    """One tightening of the limits.

    Attributes:
        budget: index of the budget that the step leads to.
        limits: the bounds on its candidates' cost.
        is_last: whether the limits are the budget's own upper bounds; below, they may ask for more than the budget does.
    """

    budget: int
    limits: Budget
    is_last: bool


class Contraction:
    """Scores a population of the base's neighbours in each step, and makes the best of them the next base.

    Args:
        trials: of the whole search, dealt out evenly over budgets, up to 4 steps each, at least 4 candidates a step if there are
            as many. After the last step it goes on around the best under each budget in turn.
    """

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self._latest: tuple[ContractionStep, FeasibleSet] | None = None
        self._made: dict[tuple[int, ...], FeasibleSet] = {}  # of the latest step, by base

    def propose(self, context: ProposalContext) -> Proposal:
        """Return a neighbour of the open step's base that meets the step's limits."""
        history = context.history
        others = sum("step" not in notes for notes in history.notes)  # trials that others proposed: baselines
        trials = max(1, (self.trials - others) // len(context.sets))  # per budget
        steps_per_budget = min(max(1, trials // _POPULATION), _MOST_STEPS)
        steps = plan(context.space, context.sets, steps_per_budget)
        number = _open_step(history, trials // steps_per_budget)
        is_past_the_end = number >= len(steps)
        last_steps = [step for step in steps if step.is_last]
        step = last_steps[(number - len(steps)) % len(last_steps)] if is_past_the_end else steps[number]
        base = _base(context, number, step.budget if is_past_the_end else None)
        feasible = context.sets[step.budget]
        neighbours = self._neighbours(context.space, feasible, step, base)
        point = as_point(context.draw(neighbours, _DRAWS)[0])
        limits = None if step.is_last or neighbours is feasible else step.limits
        return Proposal(point, step.budget, "contraction", limits, {"step": number, "base": list(base)})

    def _neighbours(self, space: SearchSpace, feasible: FeasibleSet, step: ContractionStep, base: tuple[int, ...]) -> FeasibleSet:
        """The set of a step and base; it is made once for all their candidates."""
        if self._latest is None or self._latest[0] != step or self._latest[1] is not feasible:
            self._latest, self._made = (step, feasible), {}
        if base not in self._made:
            self._made[base] = step_set(space, feasible, step.limits, base)
        return self._made[base]


def plan(space: SearchSpace, sets: Sequence[FeasibleSet], steps_per_budget: int) -> list[ContractionStep]:
    """Return the steps of a path from the seed through all budgets, along which the upper bounds tighten geometrically."""
    start = {cost: float(value) for cost, value in space.quantities(space.seed).items() if cost in ADDITIVE_COSTS}
    largest_first = sorted(range(len(sets)), key=lambda i: tuple(-min(sets[i].budget[cost].high, start[cost]) for cost in start))
    steps = []
    for i in largest_first:
        budget = sets[i].budget
        target = {cost: min(start[cost], budget[cost].high) for cost in start}
        for k in range(1, steps_per_budget + 1):
            limits = _limits(budget, start, target, k, steps_per_budget)
            steps.append(ContractionStep(i, limits, is_last=k == steps_per_budget))
        start = target
    return steps


def step_set(space: SearchSpace, feasible: FeasibleSet, limits: Budget, base: Sequence[int]) -> FeasibleSet:
    """Return the neighbours of the point ``base`` that meet ``limits``; the radius grows until there are some.

    If no point of the space meets them (the seed costs less than the budget asks for, for example), it is ``feasible`` itself.
    """
    variables = feasible.space.variables
    centre = feasible.space.nearest(space.values(base))
    for radius in range(RADIUS, RADIUS + max(map(len, variables.values()))):
        near = {
            name: choices[max(0, i - radius) : i + radius + 1]
            for (name, choices), i in zip(variables.items(), centre, strict=True)
        }
        banded = FeasibleSet(replace(feasible.space, variables=near), limits)
        for neighbours in (banded, banded.under(_without_lower_bounds(limits, feasible.budget))):
            if neighbours.size:
                return neighbours
    return feasible


def _open_step(history: History, population: int) -> int:
    """The number of the step that the next candidate belongs to: a new one once a population was proposed."""
    numbers = [notes["step"] for notes in history.notes if "step" in notes]
    latest = max(numbers, default=0)
    return latest + (numbers.count(latest) >= population)


def _base(context: ProposalContext, number: int, budget: int | None) -> tuple[int, ...]:
    """One of the best of the step before; the seed at the beginning; after the path's end one of the best under ``budget``."""
    history = context.history
    turn = sum(note.get("step", -1) == number for note in history.notes)
    of_step_before = [i for i, note in enumerate(history.notes) if note.get("step", -1) == number - 1 >= 0]
    under_budget = [i for i, note in enumerate(history.notes) if budget is not None and _was_under(note, budget)]
    for trials in (under_budget, of_step_before):
        scored = [i for i in trials if history.scored[i]]
        if scored:
            best = sorted(scored, key=lambda i: -float(history.scores[i, 0]))[: min(_BASES, max(1, len(scored) // 2))]
            return as_point(history.points[best[turn % len(best)]])
    if of_step_before:
        return tuple(history.notes[of_step_before[0]]["base"])
    return context.space.nearest(context.space.seed.values())


def _was_under(note: Mapping[str, object], budget: int) -> bool:
    """True if a trial was proposed for ``budget`` itself; false for one that was added to the study without a proposal."""
    return note.get("budget") == budget and not note.get("limits")


def _limits(budget: Budget, start: Mapping[str, float], target: Mapping[str, float], step: int, steps: int) -> Budget:
    """The limits of step ``step``, from 1 to ``steps``, on the way from ``start`` to ``target``.

    The leading cost has a lower bound too, near the upper one of the step after, so that a step contracts no further than it
    has to.
    """
    bounded = [cost for cost in start if budget[cost].high < inf]
    limits = budget
    for cost in bounded:
        ratio = (target[cost] / start[cost]) ** (1 / steps)
        high = budget[cost].high if step == steps else float(int(start[cost] * ratio**step))
        low = max(float(int(high * min(ratio, 0.9))), budget[cost].low) if cost == bounded[0] else 0.0
        limits = limits.within(cost, Bound(low, high))
    return limits


def _without_lower_bounds(limits: Budget, budget: Budget) -> Budget:
    """``limits`` without the lower bounds that are not the budget's own."""
    for cost in ADDITIVE_COSTS:
        if limits[cost].high < inf:
            limits = limits.within(cost, Bound(min(budget[cost].low, limits[cost].low), limits[cost].high))
    return limits
