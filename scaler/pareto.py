"""The Pareto set of cost and score."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_set(costs: ArrayLike, scores: ArrayLike) -> NDArray[np.bool_]:
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
