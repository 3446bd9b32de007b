"""The commands that only decide: no torch, an answer at once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.datasets import FORMS, open_data, peek_num_classes
from experiments.recipes import RECIPES
from models.zoo.families import FAMILIES
from models.zoo.seeds import SEEDS
from scaler.budget import Budget
from scaler.cost.architecture import Architecture, cost_of
from scaler.cost.latency import Latency
from scaler.errors import UnknownNameError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.strategy import STRATEGIES
from scaler.units import format_quantity
from search_spaces import SPACES
from search_spaces.problem import spaces

Rows = Iterable[tuple[str, str]]


def listing(what: str) -> list[tuple[str, Rows]]:
    """Titles with (name, summary) rows of one kind of thing, or of all."""
    kinds: dict[str, Rows] = {
        "seeds": [(name, _seed_summary(name)) for name in SEEDS],
        "families": [(name, family.summary) for name, family in FAMILIES.items()],
        "spaces": [(name, (space.__doc__ or "").splitlines()[0]) for name, space in SPACES.items()],
        "strategies": [(name, strategy.summary) for name, strategy in STRATEGIES.items()],
        "recipes": [(name, recipe.summary) for name, recipe in RECIPES.items()],
        "data": list(FORMS.items()),
    }
    if what != "all" and what not in kinds:
        raise UnknownNameError("kind of thing", what, kinds)
    return [(kind, rows) for kind, rows in kinds.items() if what in ("all", kind)]


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


def _seed_summary(name: str) -> str:
    arch = SEEDS[name]
    cost = cost_of(arch)
    size = f"{format_quantity(cost.flops)} FLOPs, {format_quantity(cost.params)} parameters"
    return f"{arch.family}, {arch.resolution} px, {arch.num_classes} classes, {size}"


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


def _learned(space: SearchSpace) -> Latency:
    from experiments.search.latency import learned  # loads torch

    return learned(space)
