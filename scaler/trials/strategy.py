"""Strategies: which architecture to try next, given the trials so far.

A strategy is a function of plain data, and proposes only architectures that meet a budget (or the limits on the way to one), so
that nothing infeasible is ever trained. `scaler.trials.sampler` offers any strategy to Optuna.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from scaler.arrays import Ints
from scaler.budget import Budget
from scaler.cost.architecture import Value
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import History, translate_points

# Points drawn to find one that was not tried yet; in a set so small that all of them were, one is tried again.
_DRAWS = 64


@dataclass(frozen=True)
class ProposalContext:
    """A strategy's input: its proposal follows from these values alone, so that a continued search repeats an uninterrupted one.

    Attributes:
        space: the space; a point of it is a row of indices into its variables' choices.
        sets: the feasible set of each budget, none of them empty; a set's own space may offer fewer choices.
        number: the trial's, from 0.
        history: the trials with smaller numbers, including those that still run.
        rng: the trial's own generator.
        fixed: values that the user set for this trial; ``sets`` hold only architectures that have them.
    """

    space: SearchSpace
    sets: Sequence[FeasibleSet]
    number: int
    history: History
    rng: np.random.Generator
    fixed: Mapping[str, Value] = field(default_factory=dict)

    @property
    def budget(self) -> int:
        """Index of the trial's budget: trials take turns."""
        return self.number % len(self.sets)

    def draw(self, feasible: FeasibleSet, n: int) -> Ints:
        """Draw ``n`` points of `space` uniformly from ``feasible`` and return those that no trial has, or all if there are none.

        Returns:
            Shape (at most n, variables).
        """
        drawn = translate_points(feasible.sample_points(n, self.rng), feasible.space, self.space)
        untried = self.history.untried(drawn)
        return untried if len(untried) else drawn


@dataclass(frozen=True)
class Proposal:
    """A point of the space to try.

    Attributes:
        budget: index of the budget that it was drawn for.
        origin: what proposed it, for the result: ``"random"``, ``"surrogate"``, ...
        limits: bounds that it meets on the way to the budget; None if it meets the budget itself.
        notes: JSON that the strategy finds again in `History.notes`.
    """

    point: tuple[int, ...]
    budget: int
    origin: str
    limits: Budget | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


class Strategy(Protocol):
    """The interface of strategies. A sampler calls its strategy from one thread at a time."""

    def propose(self, context: ProposalContext) -> Proposal:
        """Return the next architecture to try, a member of one of ``context.sets`` or within the proposal's own limits."""


class Uniform:
    """Draws uniformly from the feasible set, without repeating a trial while others are left."""

    def propose(self, context: ProposalContext) -> Proposal:
        """Return a random member of the set of the trial's budget."""
        return Proposal(as_point(context.draw(context.sets[context.budget], _DRAWS)[0]), context.budget, "random")


def as_point(row: Ints) -> tuple[int, ...]:
    """Return an array's row of indices as a tuple of Python integers."""
    return tuple(int(i) for i in row)
