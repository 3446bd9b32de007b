"""A strategy that ranks feasible architectures by a model of the scores so far.

The model is Bayesian ridge regression (MacKay 1992, scikit-learn's) on every axis's logarithm, its square, and the logarithms of
both costs: few enough coefficients for twenty noisy scores, with the uncertainty that expected improvement needs. Trials of all
budgets and of all fidelities teach it. It ranks 10^5 draws from the feasible set, made once, and neighbours of the best trials.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from math import pi, sqrt
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from scaler.arrays import Floats, Ints
from scaler.budget import Budget
from scaler.errors import ScalerError
from scaler.space.cost_table import CostTable
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import FLOPS_AND_PARAMS, Costs
from scaler.trials.history import History, translate_points
from scaler.trials.strategy import Proposal, ProposalContext, Uniform, as_point

STARTUP = 8  # scores before the model is used
_POOL = 100_000  # candidates that are drawn once for each feasible set
_PROMISING = 2048  # of them, those of the highest mean, whose uncertainty is computed
_CENTRES = 3  # trials of the highest mean, whose neighbours are candidates too
_REMEMBERED = 512  # latest trials that the model learns from; more cost time and change little
Inputs = Callable[[Ints], Floats]  # of points (n, variables), the values (n, inputs) that the model learns from

_RHO = 0.05  # Source: Knowles 2006 (ParEGO), section III: the weight of the sum beside the worst objective


class Surrogate:
    """Draws candidates from the feasible set and proposes the one of greatest expected improvement.

    With several objectives every trial weighs them anew (ParEGO). Trials that run elsewhere count with the mean score until they
    are told (constant liar), so that parallel workers spread out.
    """

    def __init__(self) -> None:
        self._features: Features | None = None
        self._pools: WeakKeyDictionary[FeasibleSet, Pool] = WeakKeyDictionary()

    def propose(self, context: ProposalContext) -> Proposal:
        """Return the most promising untried candidate; before there are enough scores, a random architecture."""
        if context.history.scored.sum() < STARTUP:
            return Uniform().propose(context)
        if self._features is None or self._features.space is not context.space:
            self._features = Features(context.space)
        feasible = context.sets[context.budget]
        if feasible not in self._pools:
            self._pools[feasible] = Pool.of(feasible, self._features)
        weights = context.rng.dirichlet(np.ones(context.history.scores.shape[1]))
        with one_thread():
            fitted = fit(self._features, context.history, weights)
            met = self._features.meets(fitted.points, feasible.budget)
            near = neighbours(fitted.best_points(met, _CENTRES), context.space)
            near = near[self._features.meets(near, feasible.budget)]
            candidates = np.concatenate([self._pools[feasible].promising(fitted), near])
            mean, deviation = fitted.predict(candidates)
            gain = expected_improvement(mean, deviation, fitted.best_of(met))
        return self._best_new(candidates[np.argsort(-gain, kind="stable")], feasible, context)

    def _best_new(self, ranked: Ints, feasible: FeasibleSet, context: ProposalContext) -> Proposal:
        """Return the first of ``ranked`` that is untried and can be built; a random architecture if there is none."""
        for point in context.history.untried(ranked):
            if _is_member(context.space, feasible, point):
                return Proposal(as_point(point), context.budget, "surrogate")
        return Uniform().propose(context)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Draws from a feasible set and the model's inputs at them, in float32 for speed."""

    points: Ints
    inputs: NDArray[np.float32]

    @classmethod
    def of(cls, feasible: FeasibleSet, inputs: "Features") -> "Pool":
        """Return the same draws for the same set, so that a proposal does not depend on those before it; all of a small set."""
        rng = np.random.default_rng(0)
        ranks = np.arange(feasible.size) if feasible.size <= _POOL else rng.integers(feasible.size, size=_POOL)
        points = translate_points(feasible.points(ranks), feasible.space, inputs.space)
        return cls(points=points, inputs=inputs(points).astype(np.float32))

    def promising(self, fitted: "FittedModel") -> Ints:
        """Return the points of the highest mean."""
        mean = self.inputs @ fitted.model.coef_[:-1].astype(np.float32)  # the last input is the fidelity
        most = min(_PROMISING, len(mean))
        found: Ints = self.points[np.argpartition(-mean, most - 1)[:most]]
        return found


def neighbours(points: Ints, space: SearchSpace) -> Ints:
    """Return the points that differ from one of ``points`` by one choice along one axis or two, whatever they cost."""
    sizes = np.array([len(choices) for choices in space.variables.values()])
    steps = np.concatenate([sign * np.eye(len(sizes), dtype=np.int64) for sign in (-1, 1)])
    pairs = (steps[:, None, :] + steps[None, :, :]).reshape(-1, len(sizes))
    moved = (points[:, None, :] + np.concatenate([steps, pairs])[None, :, :]).reshape(-1, len(sizes))
    found: Ints = moved[((moved >= 0) & (moved < sizes)).all(axis=1)]
    return found


def _is_member(space: SearchSpace, feasible: FeasibleSet, point: Ints) -> bool:
    try:
        return space.arch(as_point(point)) in feasible
    except ScalerError:  # it cannot be built
        return False


class Features:
    """The model's inputs: a point's values on each axis and its costs, all as logarithms."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._columns = [axis_features(choices) for choices in space.variables.values()]
        self._cost_tables: dict[Costs, CostTable] = {}

    def __call__(self, points: Ints) -> Floats:
        """Return the features of ``points``, shape (n, features)."""
        axes = [columns[points[:, j]] for j, columns in enumerate(self._columns)]
        costs = np.stack(self._cost_table(FLOPS_AND_PARAMS)(points), axis=1)
        return np.concatenate([*axes, np.log(costs)], axis=1)

    def _cost_table(self, costs: Costs) -> CostTable:
        if costs not in self._cost_tables:
            self._cost_tables[costs] = CostTable(self.space, costs)
        return self._cost_tables[costs]

    def resolutions(self, points: Ints) -> Ints:
        """Return the points' resolutions in pixels, shape (n,)."""
        names = list(self.space.variables)
        if "resolution" not in names:
            return np.full(len(points), self.space.seed.resolution)
        return np.array(self.space.variables["resolution"])[points[:, names.index("resolution")]]

    def meets(self, points: Ints, budget: Budget) -> NDArray[np.bool_]:
        """Return which points meet ``budget``, shape (n,)."""
        costs = zip(budget.costs, self._cost_table(budget.costs)(points), strict=True)
        values = {**dict(costs), "resolution": self.resolutions(points)}
        met = np.ones(len(points), np.bool_)
        for key, bound in budget.bounds:
            met &= (bound.low <= values[key]) & (values[key] <= bound.high)
        return met


@dataclass(frozen=True)
class FittedModel:
    """The model and the scored points that it learned from; scores are standardised."""

    model: Any
    inputs: Inputs
    points: Ints

    def predict(self, points: Ints) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, each (n,), of the score of a full training, without its noise."""
        mean, deviation = self.model.predict(_with_fidelity(self.inputs(points), np.ones(len(points))), return_std=True)
        return mean, np.sqrt(np.maximum(deviation**2 - 1 / self.model.alpha_, 1e-12))

    @cached_property
    def _means(self) -> Floats:
        return self.predict(self.points)[0]

    def best_points(self, met: NDArray[np.bool_], number: int) -> Ints:
        """Return the points of ``number`` trials of ``met``, shape (trials,), those of the greatest means."""
        return self.points[met][np.argsort(-self._means[met], kind="stable")[:number]]

    def best_of(self, met: NDArray[np.bool_]) -> float:
        """Return the greatest mean among the trials of ``met``, shape (trials,), or the least of all if there are none."""
        return float(self._means[met].max() if met.any() else self._means.min())


def fit(inputs: Inputs, history: History, weights: Floats) -> FittedModel:
    """Fit the model to the latest trials of ``history``; ``weights`` of the objectives, shape (objectives,), sum to 1."""
    from sklearn.linear_model import BayesianRidge  # takes a second to load, which commands that only decide do not have

    recent = slice(-_REMEMBERED, None)
    points, scored = history.points[recent], history.scored[recent]
    scores = _scalarised(history.scores[recent], weights)
    scores = np.where(scored, scores, scores[scored].mean())
    scores = (scores - scores.mean()) / max(float(scores.std()), 1e-9)
    seen = _with_fidelity(inputs(points), np.where(scored, history.fidelity[recent], 1.0))
    return FittedModel(BayesianRidge().fit(seen, scores), inputs, points[scored])


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Return the expected gain of each candidate over ``best``; shapes (n,)."""
    from scipy.special import ndtr

    z = (mean - best) / deviation
    found: Floats = deviation * (z * ndtr(z) + np.exp(-(z**2) / 2) / sqrt(2 * pi))
    return found


def one_thread() -> Any:
    """Return a context in which linear algebra runs on one thread: two busy ones take ten times as long for such matrices."""
    return _thread_pools().limit(limits=1)


@cache
def _thread_pools() -> Any:
    import_module("sklearn.linear_model")  # the libraries that it computes with must be loaded to be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _scalarised(scores: Floats, weights: Floats) -> Floats:
    """One score from several objectives (ParEGO), shape (n,): the worst weighted one and a little of all, each scaled to 0..1."""
    if len(weights) == 1:
        return scores[:, 0]
    low, high = np.nanmin(scores, axis=0), np.nanmax(scores, axis=0)
    weighted = weights * (scores - low) / np.maximum(high - low, 1e-12)
    found: Floats = weighted.min(axis=1) + _RHO * weighted.sum(axis=1)
    return found


def _with_fidelity(features: Floats, fidelity: Floats) -> Floats:
    return np.concatenate([features, np.log(fidelity)[:, None]], axis=1)


def axis_features(choices: tuple[Any, ...]) -> Floats:
    """Return an axis's features, shape (choices, features): its logarithm in -1..1, and the square if there are three choices."""
    if len(choices) == 1:
        return np.zeros((1, 0))
    log = np.log(np.array(choices, float))
    scaled = 2 * (log - log.min()) / (log.max() - log.min()) - 1
    return np.stack([scaled, scaled**2][: min(len(choices) - 1, 2)], axis=1)
