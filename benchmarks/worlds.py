"""Made-up worlds that agree with the table of truth: the true and the cheap score of every architecture of a space.

The table holds some of a space's millions of networks. A world is one draw of what the others may be: coefficients of a law (each
axis, its square, and the products of all pairs of axes) from their posterior given the table, and for each architecture a
remainder of its own. Cheap scores follow the true score and a second such law, with noise. A strategy is judged by its mean over
many worlds. The laws of the strategies know fewer products, and none knows the remainders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from experiments.ranking.scores import read_scores
from experiments.ranking.truth import LONGER, TruthTable
from models.zoo.families import family
from scaler.arrays import Floats, Ints
from scaler.errors import ScalerError
from scaler.space.cost_table import CostTable
from scaler.space.search_space import SearchSpace
from scaler.trials.history import point_codes
from scaler.trials.surrogate import axis_features

CHEAP = "inherited_42_top1"
_PRODUCT = 0.3  # of a product's coefficient, in units of an axis's own
_OWN = 0.5  # of the remainder's variance belongs to the network, where no repeats tell; the rest is a training's noise
_FEWEST = 20  # networks


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The networks of the table that have a full training and a cheap score.

    Attributes:
        points: shape (n, variables).
        tops, cheap: shape (n,), test top-1, the mean over repeats, and the cheap score.
        training_noise: standard deviation between repeats; None without repeats.
        share: FLOPs of a cheap score over those of a full training.
        flops: shape (n,).
    """

    points: Ints
    tops: Floats
    cheap: Floats
    training_noise: float | None
    share: float


def read_kept(folder: Path, space: SearchSpace) -> Kept:
    """Return the networks of the table in ``folder``.

    Raises:
        ScalerError: if there are too few.
    """
    table = TruthTable(folder)
    tops: dict[tuple[str, int], list[float]] = {}
    archs: dict[tuple[str, int], dict[str, Any]] = {}
    for row in table.trainings():
        if row.group != LONGER:
            tops.setdefault((row.group, row.net), []).append(row.test_top1)
            archs[row.group, row.net] = row.arch
    cheap = {(s.group, s.net): s.reading for s in read_scores(folder) if s.name == CHEAP}
    keys = [key for key in tops if key in cheap]
    if len(keys) < _FEWEST:
        raise ScalerError(f"{folder} holds {len(keys)} networks with {CHEAP}: run `python -m experiments.studies.truth` on")
    points = [space.point(family(_family(space)).from_dict(archs[key])) for key in keys]
    flops = np.array([space.cost(space.arch(point)).flops for point in points])
    images = 3 * 0.9 * table.settings.train_images * table.settings.epochs
    return Kept(
        points=np.array(points),
        tops=np.array([np.mean(tops[key]) for key in keys]),
        cheap=np.array([cheap[key].value for key in keys]),
        training_noise=_between_repeats([np.array(tops[key]) for key in keys]),
        share=float(np.mean([cheap[key].flops for key in keys] / (flops * images))),
    )


def _family(space: SearchSpace) -> str:
    return str(space.seed.family)


def _between_repeats(tops: Sequence[Floats]) -> float | None:
    repeated = [found for found in tops if len(found) > 1]
    return float(np.sqrt(np.mean([found.var(ddof=1) for found in repeated]))) if repeated else None


class World:
    """One draw; the same for the same ``seed``."""

    def __init__(self, kept: Kept, space: SearchSpace, seed: int) -> None:
        from sklearn.linear_model import BayesianRidge

        self.space, self.seed, rng = space, seed, np.random.default_rng([seed, 1])
        self._columns = [axis_features(choices) for choices in space.variables.values()]
        self._costs = CostTable(space)
        inputs = self._law(kept.points)
        law = BayesianRidge().fit(inputs, kept.tops)
        self._level, self._coefficients = law.intercept_, rng.multivariate_normal(law.coef_, law.sigma_, method="eigh")
        remainder = 1 / law.alpha_
        noise = _OWN * remainder if kept.training_noise is None else min(kept.training_noise**2, 0.9 * remainder)
        self._own, self.training_noise = np.sqrt(remainder - noise), float(np.sqrt(noise))
        # Against the noisy top-1 itself the cheap scores would look less related to the true ones than they are.
        expected = law.predict(inputs)
        true = expected + (1 - noise / remainder) * (kept.tops - expected)
        short = BayesianRidge().fit(self._seen(kept.points, true), kept.cheap)
        self._short_level, self._short = short.intercept_, rng.multivariate_normal(short.coef_, short.sigma_, method="eigh")
        self._short_noise, self.share = float(np.sqrt(1 / short.alpha_)), kept.share

    def true(self, points: Ints) -> Floats:
        """Return the true scores, shape (n,): the mean top-1 of infinitely many full trainings, in percent."""
        found: Floats = self._level + self._law(points) @ self._coefficients + self._own * self._drawn(points, 0)
        return found

    def cheap(self, points: Ints) -> Floats:
        """Return the cheap scores, shape (n,)."""
        found: Floats = self._short_level + self._seen(points, self.true(points)) @ self._short
        return found + self._short_noise * self._drawn(points, 1)

    def full(self, points: Ints) -> Floats:
        """Return the score of one full training of each, shape (n,)."""
        return self.true(points) + self.training_noise * self._drawn(points, 2)

    def _law(self, points: Ints) -> Floats:
        axes = [columns[points[:, j]] for j, columns in enumerate(self._columns) if columns.shape[1]]
        products = [_PRODUCT * one[:, 0] * other[:, 0] for one, other in combinations(axes, 2)]
        costs = np.log(np.stack(self._costs(points), axis=1)) - 14
        return np.concatenate([*axes, np.stack(products, axis=1), costs], axis=1)

    def _seen(self, points: Ints, tops: Floats) -> Floats:
        return np.concatenate([tops[:, None], self._law(points)], axis=1)

    def _drawn(self, points: Ints, purpose: int) -> Floats:
        """Return a standard normal number for each architecture, always the same one."""
        codes = point_codes(self.space, points)
        return np.array([np.random.default_rng([self.seed, 2 + purpose, code]).normal() for code in codes.tolist()])
