"""Strategies: which architecture to try next, given the trials so far.

A strategy decides in pure data, and answers only with architectures that meet a budget (or the limits on the way to one), so that
nothing infeasible is ever trained. `scaler.trials.sampler` offers any strategy to Optuna.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from scaler.arrays import Ints
from scaler.budget import Budget
from scaler.errors import UnknownNameError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import History, translate_points

# So many draws look for an architecture that was not tried yet; in a set so small that all are tried, one is tried again.
_DRAWS = 64


@dataclass(frozen=True)
class ProposalContext:
    """What a strategy may look at.

    Attributes:
        space: the space; a point of it is a row of indices into its variables' choices.
        sets: the feasible set of each budget, none of them empty; a set's own space may offer fewer resolutions.
        number: the trial's, from 0.
        history: the trials with smaller numbers, those that still run included.
        rng: of this trial; the answer follows from these five alone, so that a continued search repeats an uninterrupted one.
    """

    space: SearchSpace
    sets: Sequence[FeasibleSet]
    number: int
    history: History
    rng: np.random.Generator

    @property
    def budget(self) -> int:
        """The budget whose turn it is."""
        return self.number % len(self.sets)

    def draw(self, feasible: FeasibleSet, n: int) -> Ints:
        """``n`` points of `space`, uniform over ``feasible``; those already tried are left out while others were drawn."""
        drawn = translate_points(feasible.sample_points(n, self.rng), feasible.space, self.space)
        fresh = self.history.untried(drawn)
        return fresh if len(fresh) else drawn


@dataclass(frozen=True)
class Proposal:
    """A point of the space to try.

    Attributes:
        budget: index of the budget that it was drawn for.
        origin: what found it, for the result: ``"random"``, ``"surrogate"``, ...
        limits: what it meets, where that is not the budget itself but a step on the way to it.
        notes: JSON that the strategy finds again in `History.notes`.
    """

    point: tuple[int, ...]
    budget: int
    origin: str
    limits: Budget | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


class Strategy(Protocol):
    """What every strategy offers."""

    def propose(self, ask: ProposalContext) -> Proposal:
        """The next architecture to try."""


class Uniform:
    """Every feasible architecture equally likely, those already tried left out."""

    def propose(self, ask: ProposalContext) -> Proposal:
        return Proposal(as_point(ask.draw(ask.sets[ask.budget], _DRAWS)[0]), ask.budget, "random")


def as_point(row: Ints) -> tuple[int, ...]:
    return tuple(int(i) for i in row)


@dataclass(frozen=True)
class _Known:
    """Where a strategy is made, so that naming one loads none; ``make`` takes the number of trials of the whole search."""

    module: str
    make: str
    summary: str


STRATEGIES: dict[str, _Known] = {
    "uniform": _Known("scaler.trials.strategy", "Uniform", "draws uniformly from the feasible set, without repeating a trial"),
    "surrogate": _Known(
        "scaler.trials.surrogate", "Surrogate", "ranks feasible candidates by a model learned from the trials so far"
    ),
    "contraction": _Known(
        "scaler.trials.contraction",
        "Contraction",
        "TinyViT's: from the seed in steps of tightening limits, the best as the next base",
    ),
    "tpe": _Known(
        "scaler.trials.tpe", "Tpe", "Optuna's TPE with the budget as a constraint; what does not meet it is not trained"
    ),
}


def check_strategy(name: str) -> None:
    """Raises UnknownNameError where there is no such strategy."""
    if name not in STRATEGIES:
        raise UnknownNameError("strategy", name, STRATEGIES)


def strategy(name: str, trials: int) -> Strategy:
    """The strategy called ``name`` for a search of ``trials`` trials."""
    check_strategy(name)
    made = getattr(import_module(STRATEGIES[name].module), STRATEGIES[name].make)
    found: Strategy = made(trials) if name == "contraction" else made()
    return found
