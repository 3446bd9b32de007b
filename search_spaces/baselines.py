"""The baselines of a search, which are tried first: rules of thumb, random feasible draws, published sizes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.zoo.published import published
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import translate_points
from scaler.trials.strategy import Proposal, as_point
from search_spaces.compound_scaling import compound_scaling
from search_spaces.scaling_rules import highest_resolution

SCALING, RESOLUTION, RANDOM = "uniform scaling", "highest resolution", "random"


def baselines(space: SearchSpace, sets: Sequence[FeasibleSet], seed: int) -> list[Proposal]:
    """Return the baselines without repetitions.

    For each budget: the seed scaled uniformly, the highest resolution with the fewest parameters, and a random draw; and the
    published sizes that are in the space and fit.
    """
    rng = np.random.default_rng([seed, 1 << 32])
    found = [Proposal(compound_scaling(space, feasible), i, SCALING) for i, feasible in enumerate(sets)]
    found += [Proposal(highest_resolution(space, feasible), i, RESOLUTION) for i, feasible in enumerate(sets)]
    for i, feasible in enumerate(sets):
        found.append(Proposal(as_point(translate_points(feasible.sample_points(1, rng), feasible.space, space)[0]), i, RANDOM))
    for name, point in _published(space).items():
        fits = [i for i, feasible in enumerate(sets) if space.arch(point) in feasible]
        found += [Proposal(point, i, name) for i in fits[:1]]
    first = {proposal.point: proposal for proposal in reversed(found)}
    return [proposal for proposal in found if first[proposal.point] is proposal]


def _published(space: SearchSpace) -> dict[str, tuple[int, ...]]:
    names = {model.timm_name for model in published()} & set(SEEDS)
    points = {}
    for name in sorted(names):
        try:
            points[name] = space.point(replace(SEEDS[name], num_classes=space.seed.num_classes))
        except (ScalerError, StopIteration):  # of another family, or outside the axes
            continue
    return points
