"""A search problem: the space and the budgets that a request names. Loads torch for a timm model alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from models.zoo.names import SeedName, resolve_model_name
from scaler.budget import Budget, check_budget, parse_budget, split_budget
from scaler.cost.architecture import Architecture, cost_of
from scaler.cost.latency import LatencyModel, load_latency_model
from scaler.errors import ScalerError, UnknownNameError, did_you_mean
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.spaces import Axes, architecture, open_space


def saved_latency_model(space: SearchSpace) -> LatencyModel:
    """Return the latency model that was learned of ``space`` on this machine.

    Raises:
        ScalerError: if there is none.
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
    axes: Axes | None = None,
    num_classes: int | None = None,
    latency: Callable[[SearchSpace], LatencyModel] = saved_latency_model,
) -> tuple[SearchSpace, list[FeasibleSet]]:
    """Return the space around ``seed`` and its feasible set under each budget; sets that differ in cost alone share their tables.

    Args:
        latency: returns the model that predicts the space's latencies; called where a budget bounds them.

    Raises:
        ScalerError: if a part of the request is malformed or unknown. An empty set is none of these.
    """
    bounded = {key for text in budgets for key in split_budget(text)}
    space = open_space(seed, axes=axes, num_classes=num_classes)
    if "latency" in bounded:
        for text in budgets:  # before latencies are learned, which takes a minute
            check_budget(text, _reference(space), _cost_by_name)
        space = replace(space, latency=latency(space))
    sets: list[FeasibleSet] = []
    for text in budgets:
        budget = read_budget(text, space)
        twin = next((other for other in sets if other.budget["resolution"] == budget["resolution"]), None)
        sets.append(FeasibleSet(space, budget) if twin is None else twin.under(budget))
    return space, sets


def read_budget(text: str, space: SearchSpace) -> Budget:
    """Read a budget of ``space``.

    Percentages are relative to the model that the space is called after, with the space's class count; for a timm model that is
    timm's own. A model's name stands for that model with its own class count.

    Raises:
        ScalerError: if ``text`` is not a budget.
    """
    return parse_budget(text, _reference(space), _cost_by_name)


def _reference(space: SearchSpace) -> dict[str, int]:
    """Return the costs that percentages refer to."""
    own = architecture(space.name).with_task(num_classes=space.seed.num_classes)
    return dict(space.quantities(own))


def _cost_by_name(name: str) -> dict[str, int]:
    """Return the costs of the model called ``name``."""
    try:
        found = resolve_model_name(name)
    except UnknownNameError as error:
        suggestion = f"; {did_you_mean(error.near)}" if error.near else ""
        raise ScalerError(
            f"{name!r} is not a value: write a number with k, M, G or T (1.3G), a band (1.2G..1.3G), a percentage of the seed's "
            f"(60%) or a model's name{suggestion}"
        ) from error
    if isinstance(found, SeedName):
        return _costs(architecture(name))
    from models.networks.model_spec import open_model_spec  # loads torch

    spec = open_model_spec(name)
    return {**spec.count()._asdict(), "resolution": spec.resolution}


def _costs(arch: Architecture) -> dict[str, int]:
    return {**cost_of(arch)._asdict(), "resolution": arch.resolution}


def feasible_set(seed_model: str, budget: str, *, axes: Path | None = None, num_classes: int | None = None) -> FeasibleSet:
    """Return every architecture around ``seed_model`` that meets ``budget``.

    Args:
        seed_model: a seed's name, a timm model's name or a variant's folder.
        budget: for example ``"flops=1.3G,params=60%"``.
        axes: a JSON file of axes that replace the space's own.
        num_classes: number of classes; the seed model's own if None.

    Raises:
        ScalerError: if a name is unknown or the budget is malformed. The set may be empty.
    """
    _, (found,) = spaces(seed_model, [budget], axes=axes, num_classes=num_classes)
    return found
