"""Strategies: which feasible architecture to try next, given the trials so far.

A strategy decides in pure data. It sees only architectures that meet the budget and answers with one of them, so that nothing
infeasible is ever trained. `scaler.sampler` offers any strategy to Optuna.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from scaler.errors import UnknownNameError
from scaler.family import Architecture
from scaler.feasible import FeasibleSet

# So many draws look for an architecture that was not tried yet; in a set so small that all are tried, one is tried again.
_DRAWS = 64


@dataclass(frozen=True)
class Trial:
    """A candidate and its score (higher is better); None while it is not scored yet."""

    arch: Architecture
    score: float | None


class Strategy(Protocol):
    """What every strategy offers."""

    name: str
    summary: str

    def propose(self, feasible: FeasibleSet, trials: Sequence[Trial], rng: np.random.Generator) -> Architecture:
        """The next architecture to try, a member of ``feasible``, which is not empty.

        The answer is a function of the arguments and of ``rng`` alone, so that a continued search repeats an uninterrupted one.
        """


class Uniform:
    """Every feasible architecture equally likely, those already tried left out."""

    name = "uniform"
    summary = "draws uniformly from the feasible set, without repeating a trial"

    def propose(self, feasible: FeasibleSet, trials: Sequence[Trial], rng: np.random.Generator) -> Architecture:
        tried = {trial.arch for trial in trials}
        drawn = feasible.sample(_DRAWS, rng)
        return next((arch for arch in drawn if arch not in tried), drawn[0])


STRATEGIES: dict[str, type[Strategy]] = {Uniform.name: Uniform}


def strategy(name: str) -> Strategy:
    if name not in STRATEGIES:
        raise UnknownNameError("strategy", name, STRATEGIES)
    return STRATEGIES[name]()
