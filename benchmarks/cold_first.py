"""The processes that `benchmarks.first_feasible` starts anew: ``ours``, ``tpe`` or ``rejection``, a seed, a limit in seconds.

Prints {"s": seconds of work after the imports, which all share, "trials": candidates that fvcore counted}.
"""

import json
import sys
from time import perf_counter

import numpy as np
import optuna

from benchmarks.measure import one_thread
from benchmarks.problem import SEED, budget
from models.zoo.families import build
from scaler.budget import Budget
from scaler.cost.architecture import Architecture
from scaler.cost.fvcore_count import count
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space

_COUNTED_FOR_REJECTION = 5  # candidates whose median time stands for all


def ours(seed: int, _limit: float) -> int:
    """Draw one feasible architecture and have fvcore confirm it."""
    (arch,) = FeasibleSet(open_space(SEED), budget()).sample(1, np.random.default_rng(seed))
    assert budget().admits(_counted(arch))
    return 1


def tpe(seed: int, limit: float) -> int:
    """Trials of Optuna's TPE, the budget as its constraints and the miss of it as its objective, until one is feasible."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space, within = open_space(SEED), budget()

    def objective(trial: optuna.Trial) -> float:
        arch = space.arch([trial.suggest_int(name, 0, len(choices) - 1) for name, choices in space.variables.items()])
        misses = within.violations(_counted(arch))
        for key, miss in misses.items():
            trial.set_constraint(key, miss)
        if not any(misses.values()):
            trial.study.stop()
        return max(misses.values())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, timeout=limit)
    return len(study.trials)


def rejection(seed: int, _limit: float) -> int:
    """A few candidates of the whole space: what each costs rejection."""
    for arch in FeasibleSet(open_space(SEED), Budget()).sample(_COUNTED_FOR_REJECTION, np.random.default_rng(seed)):
        _counted(arch)
    return _COUNTED_FOR_REJECTION


def _counted(arch: Architecture) -> dict[str, int]:
    return {**count(build(arch), arch.resolution)._asdict(), "resolution": arch.resolution}


if __name__ == "__main__":
    one_thread()
    import timm  # noqa: F401  (before the clock starts)

    start = perf_counter()
    trials = {"ours": ours, "tpe": tpe, "rejection": rejection}[sys.argv[1]](int(sys.argv[2]), float(sys.argv[3]))
    print(json.dumps({"s": perf_counter() - start, "trials": trials}))
