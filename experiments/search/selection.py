"""The choice among trials: finalists trained again, the best under each budget emitted as a variant, and why it is the one."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from experiments.scoring.records import record_of, variant_info
from experiments.search import explanation
from experiments.search.latency import LATENCY, confirm_latency
from experiments.search.run_folder import FINALS, LEDGER, RESULT, TRIALS, VARIANTS, SearchContext
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.families import family
from scaler.budget import Bound
from scaler.errors import ScalerError
from scaler.files import write_json
from scaler.results.ledger import Ledger, Record
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.study import SearchStudy
from scaler.units import format_time


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best candidate under one budget, the folder of its variant, and why (`experiments.search.explanation`)."""

    budget: str
    folder: Path
    record: Record
    why: dict[str, Any]


def feasible_records(feasible: FeasibleSet, rows: Sequence[Record]) -> list[Record]:
    """The fully scored trials that meet a budget, latency as predicted, the best first.

    Raises:
        ScalerError: there is none.
    """
    found = [row for row in rows if row.role == "trial" and _meets(row, feasible)]
    if not found:
        raise ScalerError(
            f"no candidate for {feasible.budget} could be scored in {len(rows)} trials: raise --trials or change --recipe"
        )
    return sorted(found, key=lambda row: (-row.top1, row.loss))


def _meets(row: Record, feasible: FeasibleSet) -> bool:
    if feasible.space.latency is None:
        return feasible.budget.admits(row.quantities)
    return feasible.budget.admits(feasible.space.quantities(family(row.family).from_dict(json.loads(row.arch))))


def train_finalists(job: SearchContext, feasible: FeasibleSet, rows: Sequence[Record]) -> list[Record]:
    """The best of a budget, trained again from other seeds: the score that picked them flatters them."""
    found = []
    ledger = Ledger(job.out / LEDGER)
    known = {(row.trial, row.seed): row for row in ledger if row.role == "finalist"}
    for row in feasible_records(feasible, rows)[: job.request.finalists]:
        trial = open_model_spec(str(job.out / TRIALS / row.name))
        spec = model_spec_of(row.name, trial.arch) if trial.arch else trial
        for seed in range(row.seed + 1, row.seed + 1 + job.request.seeds):
            if (row.trial, seed) not in known:
                note = variant_info(spec, job.request.seed, row.budget)
                score = job.backend.score(spec, note, job.out / FINALS / f"{row.name}-seed{seed}", seed=seed, final=False)
                known[row.trial, seed] = record_of(
                    "finalist", row.trial, spec, note, score, job.backend, seed, row.origin
                )  # fmt: skip
                ledger.append(known[row.trial, seed])
                job.say(f"finalist {row.name}, seed {seed}: top-1 {score.metrics.top1:.2f} % (as a trial {row.top1:.2f} %)")
            found.append(known[row.trial, seed])
    return found


def choose_variants(job: SearchContext, study: SearchStudy, rows: Sequence[Record], again: Sequence[Record]) -> list[Chosen]:
    """The best under each budget as a variant, and ``result.json``: what was chosen and why."""
    contenders = [
        _confirmed(explanation.contenders(feasible_records(feasible, rows), again), feasible, job) for feasible in job.sets
    ]
    reasons = [explanation.explain(best, study.notes(), job.sets[i], job.space) for i, best in enumerate(contenders)]
    chosen = [
        Chosen(budget=s.budget.text, folder=_emit(s, best[0].record, job), record=best[0].record, why=reason)
        for s, best, reason in zip(job.sets, contenders, reasons, strict=True)
    ]
    found = [{"folder": str(c.folder), **c.why, "latency": _read(c.folder / LATENCY)} for c in chosen]
    write_json(job.out / RESULT, {"budgets": found, "importances": study.importances()})
    return chosen


def _confirmed(ranked: list[explanation.Contender], feasible: FeasibleSet, job: SearchContext) -> list[explanation.Contender]:
    """The contenders from the best one on whose measured latency meets the budget, where that bounds it.

    Raises:
        ScalerError: no contender's does.
    """
    bound, nearest = feasible.budget["latency"], inf
    if bound == Bound():
        return ranked
    for i, contender in enumerate(ranked):
        measured = confirm_latency(job.out / TRIALS / contender.record.name, feasible)["least_ms"] * 1e6
        if bound.admits(measured):
            return ranked[i:]
        nearest = min(nearest, measured, key=bound.miss)
        job.say(f"{contender.record.name} takes {format_time(measured)}, outside {feasible.budget}: the next one is asked")
    raise ScalerError(
        f"none of {len(ranked)} candidates for {feasible.budget} meets it as measured, the nearest takes {format_time(nearest)}: "
        "raise --trials, widen the bound, or learn the machine's latencies again (`scaler latency SEED --learn`)"
    )


def _emit(feasible: FeasibleSet, best: Record, job: SearchContext) -> Path:
    """Write a trial as the variant of a budget, its cost counted again on the reloaded model."""
    text = feasible.budget.text
    folder = job.out / VARIANTS / _slug(text)
    trial = open_model_spec(str(job.out / TRIALS / best.name))
    spec = model_spec_of(best.name, trial.arch) if trial.arch else trial
    spec.write(folder, variant_info(spec, job.request.seed, text))
    confirmed = _read(job.out / TRIALS / best.name / LATENCY)
    if confirmed is not None:
        write_json(folder / LATENCY, confirmed)
    counted = open_model_spec(str(folder)).count()
    if counted != (best.flops, best.params):
        raise RuntimeError(f"{folder} reloads as {counted}, it was scored as {best.flops} FLOPs, {best.params} parameters")
    return folder


def _read(path: Path) -> Any:
    """What JSON is at ``path``; None where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _slug(text: str) -> str:
    """A budget as a folder's name: ``flops=60%,params=1M`` becomes ``flops-60pct-params-1M``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text.replace("%", "pct")).strip("-")
