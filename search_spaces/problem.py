"""From the words of a command to a space and its budgets, without torch unless a budget names a model that only timm knows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from models.zoo.seeds import SEEDS
from scaler.budget import Budget, parse_budget
from scaler.cost.architecture import Architecture, cost_of
from scaler.cost.latency import LatencyModel, load_latency_model
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces import architecture, open_space


def known(space: SearchSpace) -> LatencyModel:
    """What was learned of the latency of ``space`` on this machine.

    Raises:
        ScalerError: nothing was.
    """
    found = load_latency_model(space.latency_key)
    if found is None:
        raise ScalerError(
            f"a budget bounds latency, and what the parts of {space.name} take on this machine is not known: run "
            f"`scaler latency {space.name} --learn` first, with the same --axes"
        )
    return found


def spaces(
    seed: str,
    budgets: Sequence[str],
    *,
    axes: Path | None = None,
    num_classes: int | None = None,
    latency: Callable[[SearchSpace], LatencyModel] = known,
) -> tuple[SearchSpace, list[FeasibleSet]]:
    """The space around ``seed`` and its feasible set under each budget; sets that differ in cost alone share their tables.

    Args:
        latency: tells what predicts the space's latencies; asked where a budget bounds them.

    Raises:
        ScalerError: a malformed or unknown part of the request. Whether a set is empty is for the caller to ask.
    """
    space = open_space(seed, axes=axes, num_classes=num_classes)
    if any("latency" in text for text in budgets):
        space = replace(space, latency=latency(space))
    sets: list[FeasibleSet] = []
    for text in budgets:
        budget = read_budget(text, space)
        twin = next((other for other in sets if other.budget["resolution"] == budget["resolution"]), None)
        sets.append(FeasibleSet(space, budget) if twin is None else twin.under(budget))
    return space, sets


def read_budget(text: str, space: SearchSpace) -> Budget:
    """A budget's text; percentages are relative to the seed, and a model's name means the model with its own class count."""
    return parse_budget(text, space.quantities(space.seed), _cost_by_name)


def _cost_by_name(name: str) -> dict[str, int]:
    if name in SEEDS:
        return _costs(architecture(name))
    from models.networks.model_spec import open_model_spec  # loads torch

    spec = open_model_spec(name)
    return {**spec.count()._asdict(), "resolution": spec.resolution}


def _costs(arch: Architecture) -> dict[str, int]:
    return {**cost_of(arch)._asdict(), "resolution": arch.resolution}
