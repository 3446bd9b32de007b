"""Scaling of a seed along a ray: each kind of axis shrinks at a rate of its own, to one common power.

Uniform ("compound") scaling is the rule of thumb that a search must beat; `search_spaces.scaling_rules` holds others.
"""

from collections.abc import Mapping

import numpy as np

from scaler.arrays import Floats
from scaler.cost.architecture import Architecture, Value
from scaler.errors import ScalerError
from scaler.space.additive_optimum import exact_optimum, score_shapes
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace

Rates = Mapping[str, float]

DEPTH, WIDTH, MLP_RATIO, RESOLUTION = "depth", "width", "mlp_ratio", "resolution"
# The kind of an axis by the beginning of its name, in our families and in other timm models.
_KINDS = {
    "depth": DEPTH, "layers": DEPTH, "embed_dim": WIDTH, "dims": WIDTH, "mlp_ratio": MLP_RATIO, "resolution": RESOLUTION,
}  # fmt: skip
# Source: Tan and Le 2019 (EfficientNet), section 4: depth, width and resolution grow by 1.2, 1.1 and 1.15 to one common power.
COMPOUND: Rates = {DEPTH: 1.2, WIDTH: 1.1, RESOLUTION: 1.15}
_STEPS, _FINE = 400, 20


def compound_scaling(space: SearchSpace, feasible: FeasibleSet, rates: Rates = COMPOUND) -> tuple[int, ...]:
    """Return the point of ``space`` that is the seed shrunk at ``rates``, as little as the budget allows.

    Each value is rounded to the nearest choice; axes without a rate stay the seed's. Where rounding steps over the budget (a
    narrow band, or a rule of the family), or the ray ends above it, it is the feasible architecture nearest to the first one
    below, or to the last.

    Args:
        rates: by kind of axis, the factor by which its values grow with one unit of the common power.
    """
    point = space.nearest(space.seed.values())
    for step in range(_STEPS):
        point = space.nearest(_shrunk(space, rates, step / _FINE))
        misses = _misses(space, feasible, point)
        if misses == 0:
            return point
        if misses < 0:
            break
    return space.point(nearest_member(feasible, space.values(point)))


def nearest_member(feasible: FeasibleSet, values: Mapping[str, Value]) -> Architecture:
    """Return the architecture of ``feasible`` whose logarithms differ least in sum from those of ``values``. Exact."""
    space, placed, tables = feasible.space, set[str](), list[Floats]()
    for segment, shape in zip(space.segments, score_shapes(space), strict=True):
        table = np.zeros(shape)
        for i, name in enumerate(space.read_by(segment)):
            if name not in placed:
                choices = np.array(space.variables[name], float)
                distance = np.abs(np.log(choices / values[name]))
                table -= distance.reshape([-1 if j == i else 1 for j in range(len(shape))])
        placed.update(space.read_by(segment))
        tables.append(table)
    return exact_optimum(feasible, tables)[0]


def _shrunk(space: SearchSpace, rates: Rates, power: float) -> Mapping[str, Value]:
    kinds = {name: next((kind for axis, kind in _KINDS.items() if name.startswith(axis)), "") for name in space.seed.values()}
    return {name: value / rates.get(kinds[name], 1.0) ** power for name, value in space.seed.values().items()}


def _misses(space: SearchSpace, feasible: FeasibleSet, point: tuple[int, ...]) -> float:
    """Return 0 for a member, above 0 for what costs too much or cannot be built, below 0 for what costs too little."""
    try:
        values = space.quantities(space.arch(point))
    except ScalerError:
        return 1
    over = [bound.miss(values[key]) for key, bound in feasible.budget.bounds if values[key] > bound.high]
    under = [bound.miss(values[key]) for key, bound in feasible.budget.bounds if values[key] < bound.low]
    return max(over, default=0) or -max(under, default=0)
