"""The time of one proposal by each strategy that learns, on a space of 10^10 after 64 trials."""

from collections.abc import Iterator
from functools import partial
from itertools import count

import numpy as np

from benchmarks.measure import Figures, median_s, seconds
from benchmarks.problem import AXES, SEED, budget
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.history import History
from scaler.trials.strategies import strategy
from scaler.trials.strategy import ProposalContext, Strategy
from search_spaces import open_space

STRATEGIES = ("surrogate", "law", "contraction")
_TRIALS, _REPEATS, _QUICK_REPEATS = 64, 20, 5


def run(quick: bool) -> Figures:
    space = open_space(SEED, axes=AXES)
    feasible, rng = FeasibleSet(space, budget()), np.random.default_rng(0)
    points = feasible.sample_points(_TRIALS, rng)
    scores = np.log1p(points).sum(axis=1, keepdims=True) + rng.normal(size=(_TRIALS, 1))
    history = History(space, points, scores, np.ones(_TRIALS), [{}] * _TRIALS)
    figures: Figures = {"space_size": space.size, "feasible": feasible.size, "trials": _TRIALS}
    for name in STRATEGIES:
        proposer, contexts = strategy(name, 4 * _TRIALS), _contexts(feasible, history)
        propose = partial(_propose, proposer, contexts)
        figures[f"{name}_first_s"] = seconds(propose)
        figures[f"{name}_s"] = median_s(propose, _QUICK_REPEATS if quick else _REPEATS)
    return figures


def _contexts(feasible: FeasibleSet, history: History) -> Iterator[ProposalContext]:
    for number in count(len(history)):
        yield ProposalContext(history.space, [feasible], number, history, np.random.default_rng(number))


def _propose(proposer: Strategy, contexts: Iterator[ProposalContext]) -> None:
    proposer.propose(next(contexts))
