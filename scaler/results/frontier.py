"""The frontier as data: which models no other one beats in both accuracy and cost, and how sure their accuracies are.

Scores of unlike kinds are never compared: trials (short training, held-out part of the training images) have a front of their
own, the seed and the chosen variants (trained in full, test images) another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaler.budget import Budget
from scaler.results.ledger import Record

COSTS = ("flops", "params")
TRIALS = ("trial",)
TRAINED = ("seed", "chosen")


@dataclass(frozen=True, kw_only=True)
class FrontierInfo:
    """What one or more searches found, as figures and reports show it.

    Attributes:
        records: every finished evaluation.
        budgets: those that were asked for; a candidate's ``budget`` is the text of the one it was drawn for.
    """

    records: tuple[Record, ...]
    budgets: tuple[Budget, ...] = ()

    def of(self, roles: Sequence[str]) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.role in roles)

    def front(self, cost: str, roles: Sequence[str]) -> tuple[Record, ...]:
        """The Pareto set over ``cost`` and top-1 among the records of ``roles``, by rising cost."""
        records = self.of(roles)
        chosen = pareto([getattr(record, cost) for record in records], [record.top1 for record in records])
        return tuple(sorted((records[i] for i in np.flatnonzero(chosen)), key=lambda record: int(getattr(record, cost))))

    def on_front(self, cost: str) -> tuple[bool, ...]:
        """For each record, whether it is on the front of its own kind of score."""
        fronts = {record for roles in (TRIALS, TRAINED) for record in self.front(cost, roles)}
        return tuple(record in fronts for record in self.records)


def pareto(costs: ArrayLike, scores: ArrayLike) -> NDArray[np.bool_]:
    """The points that no other dominates: no worse in both cost (lower is better) and score (higher is), better in one.

    Equal points both stay. A score that is not a number is never on the front. Time n log n.

    Args:
        costs, scores: one number for each of n points.

    Returns:
        n truth values, in the points' order.
    """
    cost, score = np.asarray(costs, dtype=float), np.asarray(scores, dtype=float)
    order = np.lexsort((-score, cost))
    cost, score = cost[order], score[order]
    first = np.searchsorted(cost, cost)  # of each point, the first and so best one at the same cost
    best_cheaper = np.fmax.accumulate(np.concatenate(([-np.inf], score)))[first]
    mask = np.empty(len(order), dtype=bool)
    mask[order] = (score == score[first]) & (score > best_cheaper)
    return mask


# The standard normal's 97.5 % point: 2.5 % of the probability lies outside the interval on either side.
_Z = 1.959963984540054


def wilson(top1: float, images: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy of ``top1`` percent measured on ``images`` images, in percent.

    Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927). It
    says how far the images could mislead, not how far another training run would differ.
    """
    p, z2 = top1 / 100, _Z**2
    scale = 100 / (1 + z2 / images)
    centre = scale * (p + z2 / (2 * images))
    half = scale * _Z * math.sqrt(p * (1 - p) / images + z2 / (4 * images**2))
    return max(centre - half, 0.0), min(centre + half, 100.0)
