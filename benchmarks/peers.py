"""Optimisers that others would use where we compute: pymoo's genetic algorithms and Optuna's samplers, on one problem.

Each gets our tables of costs, so that a candidate costs it microseconds, and every candidate that it ever tried counts for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import peer
from scaler.arrays import Floats
from scaler.budget import Bound, Budget
from scaler.space.cost_table import CostTable
from scaler.space.search_space import SearchSpace

_POPULATION = 100


@dataclass
class Problem:
    """Candidates' costs and scores, and a trace of those that were feasible: (seconds since the start, FLOPs, score)."""

    space: SearchSpace
    scores: Sequence[Floats]
    budget: Budget
    trace: list[tuple[float, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sizes = np.array([len(choices) for choices in self.space.variables.values()])
        names = list(self.space.variables)
        self._columns = [[names.index(name) for name in self.space.read_by(segment)] for segment in self.space.segments]
        self._cost = CostTable(self.space)
        self._start = perf_counter()

    def evaluate(self, points: NDArray[np.integer]) -> tuple[Floats, Floats, Floats]:
        """(FLOPs, score, violations) of ``points`` (n, variables); violations (n, 3) are relative, feasible at most 0."""
        flops, params = self._cost(points)
        score = np.sum([table[tuple(points[:, at].T)] for table, at in zip(self.scores, self._columns, strict=True)], axis=0)
        bounds = (self.budget["flops"], flops), (self.budget["params"], params)
        violations = np.stack([side for bound, cost in bounds for side in _sides(bound, cost)], axis=1)
        good = np.flatnonzero((violations <= 0).all(axis=1))
        took = perf_counter() - self._start
        self.trace += [(took, int(flops[i]), float(score[i])) for i in good]
        return flops.astype(float), score, violations

    def best_by(self, seconds: float) -> float:
        """The best feasible score that was found in the first ``seconds``."""
        return max((score for took, _, score in self.trace if took <= seconds), default=0.0)


def _sides(bound: Bound, cost: Any) -> list[Floats]:
    sides = [(cost - bound.high) / bound.high] if bound.high < np.inf else []
    return sides + ([(bound.low - cost) / bound.low] if bound.low else [])


def genetic(problem: Problem, seconds: float, seed: int, *, front: bool = False) -> None:
    """pymoo's genetic algorithm for the best score, or NSGA-II for score against FLOPs."""
    operators = {
        "sampling": peer("pymoo.operators.sampling.rnd", "pymoo").IntegerRandomSampling(),
        "crossover": peer("pymoo.operators.crossover.sbx", "pymoo").SBX(repair=_rounding(), vtype=float),
        "mutation": peer("pymoo.operators.mutation.pm", "pymoo").PM(repair=_rounding(), vtype=float),
        "eliminate_duplicates": True,
        "pop_size": _POPULATION,
    }
    if front:
        algorithm = peer("pymoo.algorithms.moo.nsga2", "pymoo").NSGA2(**operators)
    else:
        algorithm = peer("pymoo.algorithms.soo.nonconvex.ga", "pymoo").GA(**operators)
    limit = peer("pymoo.termination.max_time", "pymoo").TimeBasedTermination(seconds)
    peer("pymoo.optimize", "pymoo").minimize(_pymoo_problem(problem, front), algorithm, limit, seed=seed)


def _rounding() -> Any:
    return peer("pymoo.operators.repair.rounding", "pymoo").RoundingRepair()


def _pymoo_problem(problem: Problem, front: bool) -> Any:
    violations = problem.evaluate(np.zeros((1, len(problem.sizes)), np.int64))[2]

    def evaluate(_self: Any, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:
        flops, score, out["G"] = problem.evaluate(x.astype(np.int64))
        out["F"] = np.stack([flops, -score], axis=1) if front else -score

    tops = problem.sizes - 1
    kind = type("Vectorised", (peer("pymoo.core.problem", "pymoo").Problem,), {"_evaluate": evaluate})
    return kind(n_var=len(tops), n_obj=1 + front, n_ieq_constr=violations.shape[1], xl=0, xu=tops, vtype=int)


def optuna_search(problem: Problem, seconds: float, seed: int, *, front: bool = False) -> None:
    """Optuna's TPE for the best score, or its NSGA-II for score against FLOPs, both with its constraints."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> Any:
        names = problem.space.variables
        point = [trial.suggest_int(name, 0, len(choices) - 1) for name, choices in names.items()]
        flops, score, violations = problem.evaluate(np.array([point]))
        for i, violation in enumerate(violations[0]):
            trial.set_constraint(f"bound {i}", violation)
        return (float(flops[0]), float(score[0])) if front else float(score[0])

    sampler = optuna.samplers.NSGAIISampler if front else optuna.samplers.TPESampler
    directions = (optuna.study.StudyDirection.MINIMIZE,) * front + (optuna.study.StudyDirection.MAXIMIZE,)
    study = optuna.create_study(directions=directions, sampler=sampler(seed=seed))
    study.optimize(objective, timeout=seconds)
