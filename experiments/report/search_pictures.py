"""Pictures of one search: what each axis did, and how the best score rose."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.report.answers import UNIFORM
from experiments.report.page_data import Effect
from experiments.report.picture_data import Progress
from experiments.report.runs import Run
from scaler.budget import Budget
from scaler.results.intervals import student_t
from scaler.results.ledger import Record

Floats = NDArray[np.float64]
_LEAST_TRIALS = 8  # below, no interval says anything
_ESTIMATED = 3  # coefficients of each regression: intercept, log of FLOPs, axis


def effects_of(run: Run) -> tuple[Effect, ...]:
    """Return the effect of each axis that varied among the trials of a search, the largest first.

    The effect is the slope of a least-squares regression of the held-out top-1 on the axis and the logarithm of FLOPs, times
    the axis's range; one regression for each axis.
    """
    trials = [record for record in run.records if record.role == "trial"]
    if len(trials) < _LEAST_TRIALS:
        return ()
    top1 = np.array([record.top1 for record in trials])
    flops = np.log([record.flops for record in trials])
    rows = [_flat(json.loads(record.arch)) for record in trials]
    found = [_effect(name, [row.get(name) for row in rows], flops, top1) for name in _axes(run, rows)]
    return tuple(sorted(filter(None, found), key=lambda effect: -abs(effect.points)))


def _axes(run: Run, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the values that the search could change, in the order of the architecture."""
    asked = run.request.get("axes") or {}
    return [name for name in rows[0] if not asked or name.partition("[")[0] in asked]


def _flat(arch: Mapping[str, Any]) -> dict[str, Any]:
    """Return an architecture's values by name, those of stages as "depths[0]"."""
    found: dict[str, Any] = {}
    for name, value in arch.items():
        entries = {f"{name}[{i}]": entry for i, entry in enumerate(value)} if isinstance(value, list) else {name: value}
        found |= entries
    return found


def _effect(name: str, values: Sequence[Any], flops: Floats, top1: Floats) -> Effect | None:
    """Return the effect of one axis; None if it does not vary, or only as FLOPs do."""
    if not all(isinstance(value, int | float) for value in values) or len(set(values)) < 2:
        return None
    least, greatest = min(values), max(values)
    axis = (np.array(values, dtype=float) - least) / (greatest - least)
    design = np.column_stack([np.ones(len(axis)), flops, axis])
    if np.linalg.matrix_rank(design) < _ESTIMATED:
        return None
    slope, error = _last_slope(design, top1)
    half = error * student_t(len(axis) - _ESTIMATED + 1)
    return Effect(axis=name, least=f"{least:g}", greatest=f"{greatest:g}", points=slope, low=slope - half, high=slope + half)


def _last_slope(design: Floats, target: Floats) -> tuple[float, float]:
    """Return the last coefficient of a least-squares fit and its standard error."""
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ design.T @ target
    residual = target - design @ fitted
    variance = residual @ residual / (len(target) - design.shape[1])
    return float(fitted[-1]), float(np.sqrt(variance * inverse[-1, -1]))


def progress_of(run: Run) -> Iterator[Progress]:
    """Yield how the best score under each budget rose in a search; budgets that no trial meets are left out."""
    trials = [record for record in run.records if record.role in ("trial", "pruned")]
    is_flops = all(record.score.train_flops for record in trials)
    spent = tuple(accumulate(float(record.score.train_flops) if is_flops else 1.0 for record in trials))
    for budget in run.budgets:
        if any(_counts(record, budget) for record in trials):
            yield Progress(
                run=run.path.name, budget=budget.text, is_flops=is_flops, spent=spent,
                best=_best(trials, budget), random=_best((r if r.origin == "random" else None for r in trials), budget),
                uniform=max((r.top1 for r in trials if r.origin == UNIFORM and _counts(r, budget)), default=None),
            )  # fmt: skip


def _counts(record: Record, budget: Budget) -> bool:
    return record.role == "trial" and budget.admits(record.quantities)


def _best(trials: Iterable[Record | None], budget: Budget) -> tuple[float | None, ...]:
    """Return the best score so far after each trial; None before the first that meets the budget."""
    scores = (record.top1 if record and _counts(record, budget) else None for record in trials)
    return tuple(accumulate(scores, lambda best, new: new if best is None or (new is not None and new > best) else best))
