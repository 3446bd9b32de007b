"""A strategy that proposes the exact best architecture of a budget under an additive law of the scores.

The law is a sum over the space's segments, as cost is: each axis's logarithm and its square, and products of two axes that one
segment reads, such as its width and the resolution. Bayesian ridge regression on the trials so far gives the posterior of the
coefficients. One draw from the posterior (Thompson sampling; Russo et al. 2018, arXiv:1707.02038) is one law, and the proposal is
its exact optimum over the whole feasible set, where other strategies rank random draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import prod

import numpy as np

from scaler.arrays import Floats, Ints
from scaler.space.additive_optimum import exact_optimum, score_shapes
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.strategy import Proposal, ProposalContext, Uniform
from scaler.trials.surrogate import STARTUP, axis_features, fit, one_thread

_DRAWS = 4  # laws that are drawn until the optimum of one is untried
# Standard deviation of a product's coefficient in units of an axis's own, before any score is known.
_INTERACTION = 0.3
# Fraction of the posterior's covariance that is drawn from: of the whole, twenty trials explore too long.
_SPREAD = 0.3

Factor = tuple[str, int]  # a variable and the column of its `axis_features`
Term = tuple[Factor, ...]


class AdditiveLaw:
    """Proposes the exact optimum of a law drawn from the posterior; before there are enough scores, a random architecture.

    With several objectives every trial weighs them anew, as in `scaler.trials.surrogate.Surrogate`.
    """

    def __init__(self) -> None:
        self._law: Law | None = None

    def propose(self, context: ProposalContext) -> Proposal:
        """Return the optimum of a drawn law that no trial has, or a random architecture."""
        if context.history.scored.sum() >= STARTUP:
            for point in self._optima(context):
                if len(context.history.untried(np.array([point]))):
                    return Proposal(point, context.budget, "law")
        return Uniform().propose(context)

    def _optima(self, context: ProposalContext) -> Iterator[tuple[int, ...]]:
        if self._law is None or self._law.space is not context.space:
            self._law = Law(context.space)
        weights = context.rng.dirichlet(np.ones(context.history.scores.shape[1]))
        feasible = context.sets[context.budget]
        with one_thread():
            model = fit(self._law, context.history, weights).model
            for _ in range(_DRAWS):
                *drawn, _fidelity = context.rng.multivariate_normal(model.coef_, _SPREAD * model.sigma_, method="eigh")
                arch, _score = exact_optimum(feasible, self._law.tables(drawn, feasible))
                yield context.space.point(arch)


class Law:
    """The terms of an additive law over ``space``.

    A term that several segments could hold belongs to the first of them.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._columns = {name: axis_features(choices) for name, choices in space.variables.items()}
        self._terms: list[list[Term]] = []
        known: set[Term] = set()
        for segment in space.segments:
            new = [term for term in self._terms_of(space.read_by(segment)) if term not in known]
            self._terms.append(new)
            known.update(new)

    def __call__(self, points: Ints) -> Floats:
        """Return the terms' values at ``points``, shape (n, terms)."""
        index = {name: points[:, j] for j, name in enumerate(self.space.variables)}
        return np.stack([self._value(term, index) for terms in self._terms for term in terms], axis=1)

    def tables(self, coefficients: Sequence[float], feasible: FeasibleSet) -> list[Floats]:
        """Return each segment's part of the law's score over the choices of ``feasible``, for `exact_optimum`.

        Args:
            coefficients: one for each term.
        """
        left, tables = iter(coefficients), []
        for segment, terms, shape in zip(self.space.segments, self._terms, score_shapes(feasible.space), strict=True):
            index = self._open_mesh(self.space.read_by(segment), feasible.space)
            table = np.zeros(shape)
            for term in terms:
                table += next(left) * self._value(term, index)
            tables.append(table)
        return tables

    def _terms_of(self, names: Sequence[str]) -> Iterator[Term]:
        """The terms of a segment that reads ``names``: powers of each variable that varies, and products of two variables."""
        varying = [name for name in names if self._columns[name].shape[1]]
        for name in varying:
            yield from (((name, column),) for column in range(self._columns[name].shape[1]))
        yield from (((first, 0), (second, 0)) for first, second in combinations(varying, 2))

    def _value(self, term: Term, index: Mapping[str, Ints]) -> Floats:
        """The value of ``term`` at choices given by their indices, arrays that broadcast."""
        value = prod(self._columns[name][index[name], column] for name, column in term)
        return np.asarray(value if len(term) == 1 else _INTERACTION * value)

    def _open_mesh(self, names: Sequence[str], narrowed: SearchSpace) -> dict[str, Ints]:
        """The indices of the choices that ``narrowed`` offers, each variable along an axis of its own."""
        index = [np.searchsorted(self.space.variables[name], narrowed.variables[name]) for name in names]
        return dict(zip(names, np.ix_(*index), strict=True))
