"""`scaler space` and `scaler sample`: exact answers about a feasible set, without torch."""

from typing import Any

import numpy as np

from experiments.options.inspect import DescribeOptions, SampleOptions
from scaler.budget import Budget
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.problem import spaces
from search_spaces.scaling_rules import RULES


def space(options: DescribeOptions) -> dict[str, Any]:
    """Return the size of a space and, for each budget, the size of its feasible set and the bounds of its members.

    All are exact. ``bounds`` holds the least and greatest feasible value of each axis (per stage where the axis is) and of flops
    and params. It is empty if nothing is feasible; then ``nearest`` describes the nearest architecture. With several budgets
    these stand in ``budgets``, one object for each.
    """
    space, sets = spaces(options.seed_model, options.budget, axes=options.axes, num_classes=options.num_classes)
    everything = FeasibleSet(space, Budget())
    found = {"seed_model": options.seed_model, "size": everything.size, "axes": space.axes()}
    described = [_described(feasible) for feasible in sets or [everything]]
    return found | (described[0] if len(described) == 1 else {"budgets": described})


def _described(feasible: FeasibleSet) -> dict[str, Any]:
    budget = feasible.budget.text if feasible.budget.bounds else None
    found: dict[str, Any] = {"budget": budget, "feasible": feasible.size, "bounds": {}}
    return found | ({"bounds": feasible.bounds()} if feasible.size else {"nearest": feasible.why_empty()})


def sample(options: SampleOptions) -> list[dict[str, Any]]:
    """Return architectures drawn uniformly from the feasible set, or a rule's one, with their costs; write them if asked.

    Raises:
        ScalerError: if several architectures of a rule are asked for.
    """
    _, (feasible,) = spaces(options.seed_model, [options.budget], axes=options.axes, num_classes=options.num_classes)
    drawn = _of_rule(options, feasible) if options.rule else feasible.sample(options.n, np.random.default_rng(options.seed))
    found = [{"arch": arch.to_dict(), **_costs(feasible.space, arch)} for arch in drawn]
    if options.out is None:
        return found
    from experiments.commands.write_samples import write_samples  # loads torch

    folders = write_samples(drawn, options.out, options.seed_model, options.budget)
    return [{**one, "folder": str(folder)} for one, folder in zip(found, folders, strict=True)]


def _of_rule(options: SampleOptions, feasible: FeasibleSet) -> list[Architecture]:
    if options.n > 1:
        raise ScalerError(f"-n {options.n}: --rule {options.rule} gives one architecture; leave one of both out")
    feasible.require()
    return [feasible.space.arch(RULES[str(options.rule)](feasible.space, feasible))]


def _costs(space: SearchSpace, arch: Architecture) -> dict[str, float]:
    """Return FLOPs, parameters and, if it is predicted, latency in milliseconds."""
    found = space.quantities(arch)
    timed = {"latency_ms": found["latency"] / 1e6} if "latency" in found else {}
    return {"flops": found["flops"], "params": found["params"], **timed}
