"""Uniform ("compound") scaling of a seed to a budget: the rule of thumb that a search must beat."""

from collections.abc import Mapping

import numpy as np

from scaler.arrays import Floats, Ints
from scaler.cost.architecture import Value
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import translate_points

# Source: Tan and Le 2019 (EfficientNet), section 4: depth, width and resolution grow by 1.2, 1.1 and 1.15 to one common power.
_DEPTH, _WIDTH, _RESOLUTION = 1.2, 1.1, 1.15
# By the beginning of an axis's name, in our families and in other timm models.
RATES = {"depth": _DEPTH, "layers": _DEPTH, "embed_dim": _WIDTH, "dims": _WIDTH, "resolution": _RESOLUTION}
_STEPS, _FINE, _DRAWS = 400, 20, 4096


def compound_scaling(space: SearchSpace, feasible: FeasibleSet) -> tuple[int, ...]:
    """Return the point of ``space`` that is the seed shrunk in depth, width and resolution, as little as the budget allows.

    Each value is rounded to the nearest choice; the other axes stay the seed's. Where rounding steps over the budget (a narrow
    band, or a rule of the family), it is the feasible architecture nearest to the first one below, among 4,096 drawn.
    """
    point = space.nearest(space.seed.values())
    for step in range(_STEPS):
        point = space.nearest(_shrunk(space, step / _FINE))
        misses = _misses(space, feasible, point)
        if misses == 0:
            return point
        if misses < 0:
            break
    drawn = translate_points(feasible.sample_points(_DRAWS, np.random.default_rng(0)), feasible.space, space)
    nearest = drawn[int(np.abs(_logs(space, drawn) - _logs(space, np.array([point]))).sum(axis=1).argmin())]
    return tuple(int(i) for i in nearest)


def _shrunk(space: SearchSpace, power: float) -> Mapping[str, Value]:
    rates = {name: next((r for axis, r in RATES.items() if name.startswith(axis)), 1.0) for name in space.seed.values()}
    return {name: value / rates[name] ** power for name, value in space.seed.values().items()}


def _misses(space: SearchSpace, feasible: FeasibleSet, point: tuple[int, ...]) -> float:
    """Return 0 for a member, above 0 for what costs too much or cannot be built, below 0 for what costs too little."""
    try:
        values = space.quantities(space.arch(point))
    except ScalerError:
        return 1
    over = [bound.miss(values[key]) for key, bound in feasible.budget.bounds if values[key] > bound.high]
    under = [bound.miss(values[key]) for key, bound in feasible.budget.bounds if values[key] < bound.low]
    return max(over, default=0) or -max(under, default=0)


def _logs(space: SearchSpace, points: Ints) -> Floats:
    columns = [np.log(np.array(choices, float))[points[:, j]] for j, choices in enumerate(space.variables.values())]
    found: Floats = np.stack(columns, axis=1)
    return found
