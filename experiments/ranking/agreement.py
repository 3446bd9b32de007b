"""Agreement of a score with the truth: Kendall's tau-b, over the networks and over bootstrap draws of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float, float]
_TAILS = (2.5, 97.5)  # percentiles: a 95 % interval


def bootstrap_weights(networks: int, draws: int, seed: int = 0) -> Floats:
    """Return how often each network is in each draw, shape (1 + draws, networks); the first row is the networks themselves."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(networks, np.full(networks, 1 / networks), size=draws)
    return np.concatenate([np.ones((1, networks)), counts]).astype(np.float64)


def taus(one: Floats, other: Floats, weights: Floats, groups: NDArray[np.int64] | None = None) -> Floats:
    """Return Kendall's tau-b of two orders of the same networks for every row of ``weights``; 0 where an order is all ties.

    Args:
        groups: of the networks; only pairs within one group count.
    """
    signs = [np.sign(values[:, None] - values[None, :]) for values in (one, other)]
    if groups is not None:
        signs = [sign * (groups[:, None] == groups[None, :]) for sign in signs]
    first, second = signs
    agreement, *untied = (_pairs(weights, pairs) for pairs in (first * second, np.abs(first), np.abs(second)))
    scale = np.sqrt(untied[0] * untied[1])
    return np.divide(agreement, scale, out=np.zeros_like(agreement), where=scale > 0)


def taus_with_others(scores: Floats, repeats: Floats, weights: Floats) -> Floats:
    """Return tau with the mean of all repeats but one, averaged over the one that is left out.

    Args:
        scores: shape (repeats, networks): the order that is compared with the others, for each repeat that is left out. The
            repeats themselves give the agreement of one training with the mean of the others.
        repeats: shape (repeats, networks): the truth.
    """
    found = [taus(scores[r], np.delete(repeats, r, axis=0).mean(0), weights) for r in range(len(repeats))]
    return np.mean(found, axis=0)


def interval(values: Floats) -> Interval:
    """Return the first of ``values``, which is of the networks themselves, and the 95 % percentile interval of the draws."""
    low, high = np.percentile(values[1:], _TAILS)
    return float(values[0]), float(low), float(high)


def precision(score: Floats, truth: Floats, top: int) -> float:
    """Return the share of the best ``top`` networks by ``score`` that are among the best ``top`` by ``truth``."""
    chosen, best = (set(np.argsort(-values, kind="stable")[:top].tolist()) for values in (score, truth))
    return len(chosen & best) / top


def regret(score: Floats, truth: Floats) -> float:
    """Return by how much the best network by ``truth`` is ahead of the best by ``score``; the mean over ties."""
    return float(truth.max() - truth[score == score.max()].mean())


def log_rank_mean(scores: Sequence[Floats]) -> Floats:
    """Return minus the mean logarithm of each network's rank, 1 for the best, over ``scores``."""
    ranks = [1 + (score[None, :] > score[:, None]).sum(1) for score in scores]
    return -np.log(np.array(ranks)).mean(0)


def _pairs(weights: Floats, pairs: Floats) -> Floats:
    """Return the sum of ``pairs`` over all pairs of a draw, for every draw."""
    found: Floats = ((weights @ pairs) * weights).sum(1)
    return found
