"""From the words of a command to a space and its budgets, without torch unless a budget names a model that only timm knows."""

from collections.abc import Sequence
from pathlib import Path

from models.seeds import SEEDS
from scaler.budget import Budget, parse_budget
from scaler.family import Architecture, cost_of
from scaler.feasible import FeasibleSet
from scaler.space import SearchSpace
from search_spaces import architecture, open_space


def spaces(
    seed: str, budgets: Sequence[str], *, axes: Path | None = None, num_classes: int | None = None
) -> tuple[SearchSpace, list[FeasibleSet]]:
    """The space around ``seed`` and its feasible set under each budget; sets that differ in cost alone share their tables.

    Raises:
        ScalerError: a malformed or unknown part of the request. Whether a set is empty is for the caller to ask.
    """
    space = open_space(seed, axes=axes, num_classes=num_classes)
    sets: list[FeasibleSet] = []
    for text in budgets:
        budget = read_budget(text, space.seed)
        twin = next((other for other in sets if other.budget["resolution"] == budget["resolution"]), None)
        sets.append(FeasibleSet(space, budget) if twin is None else twin.under(budget))
    return space, sets


def read_budget(text: str, seed: Architecture) -> Budget:
    """A budget's text; percentages are relative to ``seed``, and a model's name means the model with its own class count."""
    return parse_budget(text, _costs(seed), _cost_by_name)


def _cost_by_name(name: str) -> dict[str, int]:
    if name in SEEDS:
        return _costs(architecture(name))
    from models.targets import open_target  # loads torch

    target = open_target(name)
    return {**target.count()._asdict(), "resolution": target.resolution}


def _costs(arch: Architecture) -> dict[str, int]:
    return {**cost_of(arch)._asdict(), "resolution": arch.resolution}
