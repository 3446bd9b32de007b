"""The choice among scored trials: the best candidate of each budget becomes a variant."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.scoring.records import variant_info
from experiments.scoring.start import INHERITED, RANDOM
from experiments.search import explanation
from experiments.search.latency import LATENCY, confirm_latency, none_meets, read_latency
from experiments.search.run_folder import BASELINES, RESULT, TRIALS, VARIANTS, SearchContext
from models.networks.model_spec import ModelSpec, open_model_spec
from models.zoo.families import family
from scaler.budget import Bound
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.files import inside
from scaler.json_files import write_sealed
from scaler.results.ledger import Record
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.study import SearchStudy
from scaler.units import format_time
from search_spaces.compound_scaling import compound_scaling


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best candidate under one budget.

    Attributes:
        folder: of its variant.
        baseline: folder of the seed scaled uniformly to the same budget.
        why: see `experiments.search.explanation`.
    """

    budget: str
    folder: Path
    baseline: Path
    record: Record
    why: dict[str, Any]


def feasible_records(feasible: FeasibleSet, rows: Sequence[Record]) -> list[Record]:
    """Return the fully scored trials that meet a budget (latency as predicted), the best first.

    Raises:
        ScalerError: if there is none.
    """
    found = [row for row in rows if row.role == "trial" and _meets(row, feasible)]
    if not found:
        raise ScalerError(
            f"no candidate for {feasible.budget} could be scored in {len(rows)} trials: raise --trials or change --recipe"
        )
    return sorted(found, key=lambda row: (-row.top1, row.loss, row.trial))


def _meets(row: Record, feasible: FeasibleSet) -> bool:
    if feasible.space.latency is None:
        return feasible.budget.admits(row.quantities)
    return feasible.budget.admits(feasible.space.quantities(_arch(row)))


def _arch(row: Record) -> Architecture:
    return family(row.family).from_dict(json.loads(row.arch))


def spec_of_record(row: Record, context: SearchContext) -> ModelSpec:
    """Return a trial's model as its record has it; the files in its folder may be damaged."""
    return context.spec_of(row.name, _arch(row))


def choose_variants(context: SearchContext, study: SearchStudy, rows: Sequence[Record], again: Sequence[Record]) -> list[Chosen]:
    """Write the best candidate of each budget and its baseline as variants, and ``result.json`` with the reasons."""
    contenders = [
        _confirmed(explanation.contenders(feasible_records(feasible, rows), again), feasible, context)
        for feasible in context.sets
    ]
    reasons = [explanation.explain(best, study.notes(), context.sets[i], context.space) for i, best in enumerate(contenders)]
    chosen = [
        Chosen(
            budget=feasible.budget.text,
            folder=_emit(feasible, best[0].record, context),
            baseline=_emit_baseline(feasible, context),
            record=best[0].record,
            why=reason,
        )
        for feasible, best, reason in zip(context.sets, contenders, reasons, strict=True)
    ]
    found = [{"folder": str(c.folder), "baseline": str(c.baseline), **c.why, "latency": read_latency(c.folder)} for c in chosen]
    start = INHERITED if context.start else RANDOM
    rows_of_ledger = len(list(context.ledger))
    told = {"budgets": found, "importances": study.importances(), "start": start, "rows": rows_of_ledger}
    write_sealed(context.out / RESULT, told)
    return chosen


def _confirmed(ranked: list[explanation.Contender], feasible: FeasibleSet, context: SearchContext) -> list[explanation.Contender]:
    """Return the contenders without those in front whose measured latency violates the budget.

    Raises:
        ScalerError: if no contender's latency meets the budget.
    """
    bound, measured = feasible.budget["latency"], list[float]()
    if bound == Bound():
        return ranked
    for i, contender in enumerate(ranked):
        row = contender.record
        found = confirm_latency(inside(context.out / TRIALS, row.name), spec_of_record(row, context), feasible)
        measured.append(found["least_ms"] * 1e6)
        if bound.admits(measured[-1]):
            return ranked[i:]
        context.say(f"{row.name} takes {format_time(measured[-1])}, outside {feasible.budget}: trying the next one")
    raise none_meets(feasible, measured, "raise --trials, widen the bound")


def _emit(feasible: FeasibleSet, best: Record, context: SearchContext) -> Path:
    """Write a trial as the variant of a budget, and count the reloaded model again."""
    spec, folder = spec_of_record(best, context), variant_folder(context, feasible)
    write_untrained(spec, folder, feasible.budget.text, context, "chosen")
    confirmed = read_latency(inside(context.out / TRIALS, best.name))
    if confirmed is not None:
        write_sealed(folder / LATENCY, confirmed)
    counted = open_model_spec(str(folder)).count()
    if counted != (best.flops, best.params):
        raise RuntimeError(f"{folder} reloads as {counted}, it was scored as {best.flops} FLOPs, {best.params} parameters")
    return folder


def _emit_baseline(feasible: FeasibleSet, context: SearchContext) -> Path:
    """Write the seed scaled uniformly to a budget as a variant; its latency is the predicted one."""
    folder = variant_folder(context, feasible, BASELINES)
    arch = context.space.arch(compound_scaling(context.space, feasible))
    write_untrained(context.spec_of(folder.name, arch), folder, feasible.budget.text, context, "baseline")
    return folder


def write_untrained(spec: ModelSpec, folder: Path, budget: str, context: SearchContext, role: str) -> None:
    """Write a candidate as a variant with the weights from which candidates start: inherited ones, or none."""
    note = variant_info(spec, context.options.seed_model, budget, role)
    if context.start is None:
        return spec.write(folder, note)
    return spec.write(folder, replace(note, start=INHERITED), context.start.cut(spec).network.state_dict())


def variant_folder(context: SearchContext, feasible: FeasibleSet, parent: str = VARIANTS) -> Path:
    """Return the folder of the variant that is chosen for a budget, or of its baseline.

    Raises:
        ScalerError: if the budget's text is too long for a name.
    """
    return inside(context.out / parent, _slug(feasible.budget.text))


def _slug(text: str) -> str:
    """Return a folder name for a budget: ``flops=60%,params=1M`` becomes ``flops-60pct-params-1M``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text.replace("%", "pct")).strip("-")
