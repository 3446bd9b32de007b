"""A strategy that learns from the trials so far which feasible architectures promise most.

The model is Bayesian ridge regression (MacKay 1992, scikit-learn's) on every axis's logarithm, its square, and the logarithms of
both costs: few enough coefficients for twenty noisy scores, with the uncertainty that expected improvement needs. Trials of all
budgets and of all fidelities teach it.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Floats, Ints
from scaler.budget import Budget
from scaler.space.cost_table import CostTable
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import FLOPS_AND_PARAMS, Costs
from scaler.trials.history import History
from scaler.trials.strategy import Proposal, ProposalContext, Uniform, as_point

STARTUP = 8  # so many scores before the model is asked
_POOL = 1024  # candidates that are drawn and ranked
_REMEMBERED = 512  # the latest trials teach the model; more would cost time, and their scores agree by then
_RHO = 0.05  # Source: Knowles 2006 (ParEGO), section III: the weight of the sum beside the worst objective


class Surrogate:
    """Draws candidates from the feasible set and proposes the one of greatest expected improvement.

    With several objectives every trial weighs them anew (ParEGO). Trials that run elsewhere count with the mean score until they
    are told (constant liar), so that parallel workers spread out.
    """

    def __init__(self) -> None:
        self._features: Features | None = None

    def propose(self, ask: ProposalContext) -> Proposal:
        if ask.history.scored.sum() < STARTUP:
            return Uniform().propose(ask)
        if self._features is None or self._features.space is not ask.space:
            self._features = Features(ask.space)
        feasible = ask.sets[ask.budget]
        candidates = ask.draw(feasible, _POOL)
        weights = ask.rng.dirichlet(np.ones(ask.history.scores.shape[1]))
        with _one_thread():
            fitted = fit(self._features, ask.history, weights)
            mean, deviation = fitted.predict(candidates)
            gain = expected_improvement(mean, deviation, fitted.best_under(feasible.budget))
        return Proposal(as_point(candidates[int(gain.argmax())]), ask.budget, "surrogate")


class Features:
    """What the model sees of a point."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._tables = [_of_choices(choices) for choices in space.variables.values()]
        self._costs: dict[Costs, CostTable] = {}

    def __call__(self, points: Ints) -> Floats:
        """Shape (n, features)."""
        axes = [table[points[:, j]] for j, table in enumerate(self._tables)]
        return np.concatenate([*axes, np.log(np.stack(self._table(FLOPS_AND_PARAMS)(points), axis=1))], axis=1)

    def _table(self, costs: Costs) -> CostTable:
        if costs not in self._costs:
            self._costs[costs] = CostTable(self.space, costs)
        return self._costs[costs]

    def resolutions(self, points: Ints) -> Ints:
        names = list(self.space.variables)
        if "resolution" not in names:
            return np.full(len(points), self.space.seed.resolution)
        return np.array(self.space.variables["resolution"])[points[:, names.index("resolution")]]

    def meets(self, points: Ints, budget: Budget) -> NDArray[np.bool_]:
        """Shape (n,): which points meet a budget."""
        costs = zip(budget.costs, self._table(budget.costs)(points), strict=True)
        values = {**dict(costs), "resolution": self.resolutions(points)}
        met = np.ones(len(points), np.bool_)
        for key, bound in budget.bounds:
            met &= (bound.low <= values[key]) & (values[key] <= bound.high)
        return met


@dataclass(frozen=True)
class FittedModel:
    """The model and what it learned from; scores are standardised."""

    model: Any
    features: Features
    points: Ints

    def predict(self, points: Ints) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the score of a full training, without its noise; each (n,)."""
        mean, deviation = self.model.predict(_with_fidelity(self.features(points), np.ones(len(points))), return_std=True)
        return mean, np.sqrt(np.maximum(deviation**2 - 1 / self.model.alpha_, 1e-12))

    @cached_property
    def _means(self) -> Floats:
        return self.predict(self.points)[0]

    def best_under(self, budget: Budget) -> float:
        """The greatest mean among the trials that meet ``budget``, or the least of all where none does."""
        met = self.features.meets(self.points, budget)
        return float(self._means[met].max() if met.any() else self._means.min())


def fit(features: Features, history: History, weights: Floats) -> FittedModel:
    """Learn from the latest trials of ``history``; ``weights`` of the objectives, shape (objectives,), sum to 1."""
    from sklearn.linear_model import BayesianRidge  # takes a second to load, which commands that only decide do not have

    recent = slice(-_REMEMBERED, None)
    points, scored = history.points[recent], history.scored[recent]
    scores = _scalarised(history.scores[recent], weights)
    scores = np.where(scored, scores, scores[scored].mean())
    scores = (scores - scores.mean()) / max(float(scores.std()), 1e-9)
    seen = _with_fidelity(features(points), np.where(scored, history.fidelity[recent], 1.0))
    return FittedModel(BayesianRidge().fit(seen, scores), features, points[scored])


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """By how much each candidate is expected to beat ``best``; shapes (n,)."""
    from scipy.special import ndtr

    z = (mean - best) / deviation
    found: Floats = deviation * (z * ndtr(z) + np.exp(-(z**2) / 2) / sqrt(2 * pi))
    return found


def _one_thread() -> Any:
    """Matrices this small are ten times slower on two threads that others use too."""
    return _libraries().limit(limits=1)


@cache
def _libraries() -> Any:
    import sklearn.linear_model  # noqa: F401  what it computes with must be loaded to be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _scalarised(scores: Floats, weights: Floats) -> Floats:
    """One score from several, shape (n,): the worst weighted objective and a little of all, each scaled to 0..1."""
    if len(weights) == 1:
        return scores[:, 0]
    low, high = np.nanmin(scores, axis=0), np.nanmax(scores, axis=0)
    weighted = weights * (scores - low) / np.maximum(high - low, 1e-12)
    found: Floats = weighted.min(axis=1) + _RHO * weighted.sum(axis=1)
    return found


def _with_fidelity(features: Floats, fidelity: Floats) -> Floats:
    return np.concatenate([features, np.log(fidelity)[:, None]], axis=1)


def _of_choices(choices: tuple[Any, ...]) -> Floats:
    """Shape (choices, features): the logarithm scaled to -1..1, and its square where there are more than two choices."""
    if len(choices) == 1:
        return np.zeros((1, 0))
    log = np.log(np.array(choices, float))
    scaled = 2 * (log - log.min()) / (log.max() - log.min()) - 1
    return np.stack([scaled, scaled**2][: min(len(choices) - 1, 2)], axis=1)
