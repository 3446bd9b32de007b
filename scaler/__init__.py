"""Shrink a large vision transformer under compute budgets.

The names below are loaded when they are first used, so that ``import scaler`` loads neither torch nor timm. docs/python.md
shows them at work.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    # decide
    "Budget": "scaler.budget",
    "FeasibleSampler": "scaler.trials.sampler",
    "FeasibleSet": "scaler.space.feasible_set",
    "SearchSpace": "scaler.space.search_space",
    "cost_of": "scaler.cost.architecture",
    "count": "scaler.cost.fvcore_count",
    "exact_frontier": "scaler.space.additive_optimum",
    "exact_optimum": "scaler.space.additive_optimum",
    "feasible_set": "search_spaces.problem",
    "open_space": "search_spaces",
    "pareto_set": "scaler.pareto",
    # search and train
    "SearchOptions": "experiments.options.search",
    "TrainOptions": "experiments.options.train",
    "search": "experiments.commands.search",
    "train": "experiments.commands.train",
    # results and errors
    "FrontierInfo": "scaler.results.frontier",
    "InfeasibleError": "scaler.errors",
    "Ledger": "scaler.results.ledger",
    "Record": "scaler.results.ledger",
    "ScalerError": "scaler.errors",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scaler' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
