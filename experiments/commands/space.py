"""The commands that only decide: no torch, an answer at once."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.datasets import open_data, peek_num_classes
from scaler.budget import Budget
from scaler.cost.architecture import Architecture
from scaler.cost.latency import LatencyModel
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.problem import spaces


def describe_space(seed: str, budget: str | None, axes: Path | None, num_classes: int | None) -> dict[str, Any]:
    """Size, feasible count and bounds of a space, exactly.

    ``bounds`` gives the least and greatest feasible value of each axis (per stage where the axis is) and of flops and params;
    it is empty where nothing is feasible, and then ``nearest`` says what comes nearest.
    """
    space, sets = spaces(seed, [budget] if budget else [], axes=axes, num_classes=num_classes)
    everything = FeasibleSet(space, Budget())
    feasible = sets[0] if sets else everything
    found = {"seed": seed, "budget": budget, "size": everything.size, "feasible": feasible.size, "axes": space.axes()}
    return found | ({"bounds": feasible.bounds()} if feasible.size else {"bounds": {}, "nearest": feasible.why_empty()})


def sample(seed: str, budget: str, n: int, axes: Path | None, num_classes: int | None, draw_seed: int) -> list[dict[str, Any]]:
    """``n`` architectures drawn uniformly from the feasible set, with their costs."""
    _, (feasible,) = spaces(seed, [budget], axes=axes, num_classes=num_classes)
    drawn = feasible.sample(n, np.random.default_rng(draw_seed))
    return [{"arch": arch.to_dict(), **_priced(feasible.space, arch)} for arch in drawn]


def _priced(space: SearchSpace, arch: Architecture) -> dict[str, float]:
    """What ``arch`` costs, latency in milliseconds where it is predicted."""
    found = space.quantities(arch)
    timed = {"latency_ms": found["latency"] / 1e6} if "latency" in found else {}
    return {"flops": found["flops"], "params": found["params"], **timed}


def search_space(seed: str, budgets: list[str], axes: Path | None, data: str) -> tuple[SearchSpace, list[FeasibleSet]]:
    """The space and feasible sets of a search on ``data``, none of them empty.

    Raises:
        InfeasibleError: before any image is read, where the number of classes can be told without.
    """
    num_classes = peek_num_classes(data)
    if num_classes is None:
        num_classes = open_data(data).num_classes
    space, sets = spaces(seed, budgets, axes=axes, num_classes=num_classes, latency=_learned)
    for feasible in sets:
        feasible.require()
    return space, sets


def _learned(space: SearchSpace) -> LatencyModel:
    from experiments.search.latency import known_or_learned  # loads torch

    return known_or_learned(space)
