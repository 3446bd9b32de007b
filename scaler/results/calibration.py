"""Cheap scores of many networks corrected by full trainings of a few, and the probability that each network is the best.

A network's true score is a Gaussian: a slope times its cheap score, an offset for its resolution, a law of its other axes, and a
remainder of its own. A full training, or the mean of several, is the true score with noise. Short trainings may err between
resolutions and hardly do within one. How much they err is not known beforehand: several widths of the offsets are weighed by
their evidence. Without any full training, the order is that of the cheap scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaler.arrays import Floats, Ints

# Standard deviations of the prior in units of the true scores', but for the agreement of short and full trainings, by which the
# mean of the slope is multiplied.
_AGREEMENT, _SLOPE, _REMAINDER = 0.8, 0.3, 0.5
_WIDTHS = (0.05, 1.0)  # of the offsets: short trainings err alike at every resolution, or not
_LAW = 0.3  # of the axes' law over that of the offsets
_NOISE, _REPEATS = 0.6, 2  # of one full training, and the repeats that this is worth
_LEAST = 0.3  # of the spread of cheap scores is not their noise
_FEW = 4  # full trainings that the spread of the cheap scores is worth
_DRAWS = 4000


@dataclass(frozen=True, kw_only=True)
class CheapScores:
    """The networks and their cheap scores.

    Attributes:
        scores: shape (n,), higher is better.
        noise: standard error of one cheap score.
        groups: shape (n,), the resolutions: scores of one are compared as they are.
        axes: shape (n, axes), the logarithms of the other axes, in any unit.
    """

    scores: Floats
    noise: float
    groups: Ints
    axes: Floats

    @property
    def whole(self) -> float:
        """Standard deviation of the scores."""
        return max(float(self.scores.std()), 1e-9)

    @property
    def spread(self) -> float:
        """Standard deviation of the scores without their noise."""
        return max(float(np.sqrt(max(self.whole**2 - self.noise**2, 0.0))), _LEAST * self.whole)

    def prior(self, width: float) -> tuple[Floats, Floats]:
        """Return mean (n,) and covariance (n, n) of the true scores, in units of their spread about their level.

        Args:
            width: standard deviation of the resolutions' offsets.
        """
        cheap = (self.scores - self.scores.mean()) / self.whole
        same = (self.groups[:, None] == self.groups[None, :]).astype(float)
        axes = _standardised(self.axes)
        covariance = _SLOPE**2 * np.outer(cheap, cheap) + width**2 * (same + _LAW**2 * axes @ axes.T)
        return _AGREEMENT * self.spread / self.whole * cheap, covariance + _REMAINDER**2 * np.eye(len(cheap))


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """The true scores, given all trainings.

    Attributes:
        mean: shape (n,), in the unit of the full trainings.
        covariance: shape (n, n).
    """

    mean: Floats
    covariance: Floats

    def probability_best(self, among: Sequence[int], seed: int = 0) -> Floats:
        """Return the probability that each network of ``among`` is the best of them, from random draws of ``seed``."""
        if not len(among):
            return np.zeros(0)
        at = np.ix_(among, among)
        rng = np.random.default_rng(seed)
        drawn = rng.multivariate_normal(self.mean[list(among)], self.covariance[at], _DRAWS, method="eigh")
        return np.bincount(drawn.argmax(axis=1), minlength=len(among)) / _DRAWS


def calibrate(cheap: CheapScores, full: Mapping[int, Sequence[float]]) -> Posterior:
    """Return the true scores, given the ``full`` trainings' scores by network: one or several of each."""
    if not full:
        mean, covariance = cheap.prior(_WIDTHS[0])
        return Posterior(mean=cheap.scores.mean() + cheap.spread * mean, covariance=cheap.spread**2 * covariance)
    found = list(_by_width(cheap, full))
    evidence = np.array([log_evidence for log_evidence, _ in found])
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    mean = np.sum([w * one.mean for w, (_, one) in zip(weights, found, strict=True)], axis=0)
    parts = [
        w * (one.covariance + np.outer(one.mean - mean, one.mean - mean)) for w, (_, one) in zip(weights, found, strict=True)
    ]
    return Posterior(mean=mean, covariance=np.sum(parts, axis=0))


def spread_out(cheap: CheapScores, number: int) -> list[int]:
    """Return ``number`` networks whose full trainings say most: one after the other that of the greatest uncertainty.

    It lies far from those before it in resolution, axes and cheap score.
    """
    covariance, found = cheap.prior(_WIDTHS[-1])[1], list[int]()
    for _ in range(min(number, len(covariance))):
        uncertain = np.diag(covariance).copy()
        uncertain[found] = -np.inf
        best = int(uncertain.argmax())
        covariance = covariance - np.outer(covariance[best], covariance[best]) / (covariance[best, best] + _NOISE**2)
        found.append(best)
    return found


def _by_width(cheap: CheapScores, full: Mapping[int, Sequence[float]]) -> Iterator[tuple[float, Posterior]]:
    """Yield the logarithm of the evidence, and the true scores, for each width of the offsets."""
    taught, seen = list(full), np.array([np.mean(scores) for scores in full.values()])
    unit = _unit(cheap, seen)
    noise = _noise(full, unit) ** 2 / np.array([len(scores) for scores in full.values()])
    for width in _WIDTHS:
        prior, covariance = cheap.prior(width)
        observed = covariance[np.ix_(taught, taught)] + np.diag(noise)
        gain = np.linalg.inv(observed)
        level = float(gain.sum(axis=0) @ (seen / unit - prior[taught]) / gain.sum())
        left = seen / unit - level - prior[taught]
        across = covariance[:, taught] @ gain
        log_evidence = -(left @ gain @ left + np.linalg.slogdet(observed)[1] + np.log(gain.sum())) / 2
        mean, rest = level + prior + across @ left, covariance - across @ covariance[taught]
        yield float(log_evidence), Posterior(mean=unit * mean, covariance=unit**2 * rest)


def _unit(cheap: CheapScores, seen: Floats) -> float:
    """Return the standard deviation of the true scores: of the full trainings', and of the cheap ones while these are few."""
    squares = float(((seen - seen.mean()) ** 2).sum())
    return float(np.sqrt((squares + _FEW * cheap.spread**2) / (len(seen) - 1 + _FEW)))


def _noise(full: Mapping[int, Sequence[float]], unit: float) -> float:
    """Return the standard deviation of one full training's noise over ``unit``, from repeats as far as there are some."""
    repeated = [np.asarray(scores) for scores in full.values() if len(scores) > 1]
    squares = sum(float(((scores - scores.mean()) ** 2).sum()) for scores in repeated) / unit**2
    freedom = sum(len(scores) - 1 for scores in repeated)
    return float(np.sqrt((squares + _REPEATS * _NOISE**2) / (freedom + _REPEATS)))


def _standardised(columns: Floats) -> Floats:
    deviation = columns.std(axis=0)
    found: Floats = (columns - columns.mean(axis=0))[:, deviation > 0] / deviation[deviation > 0]
    return found
