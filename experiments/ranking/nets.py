"""The networks of a table of truth, drawn from exact feasible sets."""

from itertools import pairwise

import numpy as np

from experiments.ranking.truth import EQUAL, RANGE, Settings
from scaler.cost.architecture import Architecture
from scaler.space.feasible_set import FeasibleSet
from search_spaces.problem import spaces

_BAND = 0.01  # of the budget, on either side
_SEED = 0


def networks(settings: Settings, num_classes: int) -> dict[str, list[Architecture]]:
    """Return the architectures of each group, the same for the same settings.

    Those of ``equal`` are distinct uniform draws from all architectures within 1 % of the budget. For ``range`` the FLOPs of the
    space are cut into as many bands of equal ratio as networks, each of which gives one uniform draw.
    """
    rng = np.random.default_rng(_SEED)
    equal = _set(settings, num_classes, settings.flops * (1 - _BAND), settings.flops * (1 + _BAND))
    whole = _set(settings, num_classes, 0, 1e15)
    low, high = whole.bounds()["flops"]
    edges = np.geomspace(low, high, settings.nets + 1)
    bands = [_set(settings, num_classes, *ends) for ends in pairwise(edges)]
    return {
        EQUAL: [equal.space.arch(point) for point in equal.points(rng.choice(equal.size, settings.nets, replace=False))],
        RANGE: [band.sample(1, rng)[0] for band in bands],
    }


def _set(settings: Settings, num_classes: int, low: float, high: float) -> FeasibleSet:
    budget = f"flops={int(low)}..{int(high)}"
    return spaces(settings.seed_model, [budget], num_classes=num_classes)[1][0]
