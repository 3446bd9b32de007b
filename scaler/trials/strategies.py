"""The strategies by name. Listing them loads none of them, nor NumPy."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from scaler.errors import UnknownNameError

if TYPE_CHECKING:
    from scaler.trials.strategy import Strategy


@dataclass(frozen=True)
class _Entry:
    """A strategy by name; ``factory`` is looked up in ``module`` when the strategy is made, so that listing them loads none.

    Attributes:
        learns: its proposals follow from the scores of other trials.
    """

    module: str
    factory: str
    summary: str
    learns: bool = True


STRATEGIES: dict[str, _Entry] = {
    "uniform": _Entry(
        "scaler.trials.strategy", "Uniform", "draws uniformly from the feasible set, without repeating a trial", learns=False
    ),
    "surrogate": _Entry(
        "scaler.trials.surrogate", "Surrogate", "ranks feasible candidates by a model learned from the trials so far"
    ),
    "law": _Entry(
        "scaler.trials.additive_law",
        "AdditiveLaw",
        "proposes the exact optimum of an additive law of the scores, drawn from its posterior",
    ),
    "contraction": _Entry(
        "scaler.trials.contraction",
        "Contraction",
        "TinyViT's: from the seed in steps of tightening limits, the best as the next base",
    ),
    "tpe": _Entry(
        "scaler.trials.optuna_samplers",
        "tpe",
        "Optuna's TPE with the budget as a constraint; what does not meet it is not trained",
    ),
    "gp": _Entry(
        "scaler.trials.optuna_samplers",
        "gaussian_process",
        "Optuna's Gaussian process with the budget as a constraint; what does not meet it is not trained",
    ),
}


def strategy(name: str, trials: int) -> "Strategy":
    """Make the strategy called ``name`` for a search of ``trials`` trials.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in STRATEGIES:
        raise UnknownNameError("strategy", name, STRATEGIES)
    factory = getattr(import_module(STRATEGIES[name].module), STRATEGIES[name].factory)
    made: Strategy = factory(trials) if name == "contraction" else factory()
    return made
