"""The main job: from feasible sets to a family of variants, each the best found under its budget.

`run_search` reads as the picture in docs/architecture.md: a strategy proposes candidates, fvcore confirms their cost, the backend
scores them, the ledger records the scores, and the best candidate under each budget becomes a variant.
"""

import time
from dataclasses import replace
from pathlib import Path

from experiments.options.search import SearchOptions
from experiments.runtime.console import is_main_process, say
from experiments.scoring.records import record_of, variant_info
from experiments.scoring.score import Backend
from experiments.search.finalists import train_finalists
from experiments.search.outlook import say_outlook
from experiments.search.request import REQUEST
from experiments.search.run_folder import LEDGER, TRIALS, SearchContext, check_request, open_run
from experiments.search.selection import Chosen, choose_variants, variant_folder
from experiments.search.workers import TrainAll
from experiments.training.rungs import RungSchedule
from models.networks.model_spec import ModelSpec
from scaler.errors import DivergedError, ScalerError
from scaler.results.ledger import Ledger, Record
from scaler.results.variant import VariantInfo
from scaler.trials.candidate import Candidate, LostTrialError
from scaler.trials.pruning import rule
from scaler.trials.study import SearchStudy
from scaler.units import format_duration, format_quantity
from search_spaces.baselines import baselines


def run_search(context: SearchContext, train_all: TrainAll | None = None) -> list[Chosen]:
    """Run a search, or continue the one in its folder, until ``trials`` candidates are scored.

    Args:
        context: the request and the problem.
        train_all: runs worker processes until the study is finished; None trains in this process.

    Returns:
        For each budget the best of all candidates that meet it, whichever budget they were drawn for.

    Raises:
        InfeasibleError: if no architecture meets a budget; nothing is written then.
        ScalerError: if the folder holds another search, or no candidate of some budget could be scored.
    """
    for feasible in context.sets:
        feasible.require()
        variant_folder(context, feasible)  # its name is refused here or never
    study = open_run(context)
    study.enqueue(baselines(context.space, context.sets, context.options.seed))
    study.recover()
    context.trial_rows.sync(study)
    say_outlook(context, study)
    if train_all is None:
        run_worker(context, study)
    else:
        train_all(study)
    context.trial_rows.sync(study)
    if not (context.out / REQUEST).exists():
        raise ScalerError(f"{context.out} was deleted or moved while the search ran: repeat the command")
    rows = context.trial_rows.rows()
    again = {(row.trial, row.seed): row for feasible in context.sets for row in train_finalists(context, feasible, rows)}
    return choose_variants(context, study, rows, list(again.values()))


def join_search(context: SearchContext) -> None:
    """Train candidates of a search that another process started, until all trials are scored.

    Raises:
        ScalerError: if the folder holds no search, or another one.
    """
    if not (context.out / REQUEST).exists():
        raise ScalerError(f"{context.out} holds no search to join: start it without --as-worker first")
    check_request(context)
    run_worker(context, context.study(), alone=False)


def run_worker(context: SearchContext, study: SearchStudy, *, alone: bool = True) -> None:
    """Score candidates until all trials are scored.

    ``alone``: no other process trains candidates, so that this one writes the ledger.
    """
    extent = context.extent
    pace = _Pace(study.finished(), extent.trials if extent.hours is None else None)
    for asked in study.ask(extent.trials, lambda: extent.is_open(study)):
        try:
            record = _score_and_tell(asked, context, study)
        except LostTrialError as error:
            context.say(str(error))
            continue
        if alone:
            context.trial_rows.sync(study)
        if record is not None:
            context.say(pace.line(record, study.finished()))


def _score_and_tell(asked: Candidate, context: SearchContext, study: SearchStudy) -> Record | None:
    """Return the record of a candidate once the study has it; None if its training diverged.

    Raises:
        LostTrialError: if another worker has taken the candidate over.
    """
    try:
        with study.training(asked):
            record, pruned = _score(asked, context)
    except DivergedError as error:
        study.fail(asked, str(error))
        context.say(f"trial {asked.number} failed and counts as tried: {error}")
        return None
    study.tell(asked, record.top1, record.row(), pruned)
    return record


def train_variant(spec: ModelSpec, note: VariantInfo, backend: Backend, out: Path, *, seed: int) -> Record:
    """Train one model in full into ``out``, score it on the test split, and append the record to ``out``'s ledger."""
    ledger = Ledger(out / LEDGER)
    if is_main_process() and (fault := ledger.mend()):
        say(f"{fault}: the other rows are kept")
    score = backend.score(spec, note, out, seed=seed, final=True)
    record = record_of(note.role, -1, spec, note, score, backend, seed)
    if is_main_process() and _timeless(record) not in map(_timeless, ledger):
        ledger.append(record)
    return record


def _timeless(record: Record) -> Record:
    """Return ``record`` without its time, the one value that differs if a training is repeated."""
    return replace(record, score=replace(record.score, seconds=0.0))


def _score(asked: Candidate, context: SearchContext) -> tuple[Record, bool]:
    """Return the record of a candidate, and True if its training was stopped early."""
    name, seed = f"trial-{asked.number:04d}", context.options.seed
    spec = context.spec_of(name, asked.arch)
    note = variant_info(spec, context.options.seed_model, context.sets[asked.budget].budget.text)
    if not asked.limits.admits({"flops": note.flops, "params": note.params, "resolution": spec.resolution}):
        raise RuntimeError(
            f"the candidate of trial {asked.number} costs {note.flops} FLOPs, {note.params} parameters, over {asked.limits}"
        )
    score = context.backend.score(
        spec, note, context.out / TRIALS / name, seed=seed, final=False, rungs=_rungs(asked, context.options)
    )
    role = "pruned" if score.pruned else "trial"
    return record_of(role, asked.number, spec, note, score, context.backend, seed, asked.origin), score.pruned


def _rungs(candidate: Candidate, options: SearchOptions) -> RungSchedule | None:
    if options.pruner == "none":
        return None
    return RungSchedule(trial=candidate, first_images=options.first_rung, growth=rule(options.pruner).growth)


class _Pace:
    """Formats the progress of a search: trials done, and time left at the pace of this call."""

    def __init__(self, finished: int, wanted: int | None) -> None:
        self.finished, self.wanted, self.began = finished, wanted, time.monotonic()

    def line(self, record: Record, finished: int) -> str:
        pace, wanted = (time.monotonic() - self.began) / max(1, finished - self.finished), self.wanted or 0
        cost = f"{format_quantity(record.flops)} FLOPs, {format_quantity(record.params)} parameters, {record.resolution} px"
        ahead = f", about {format_duration(pace * (wanted - finished))} left" if finished < wanted else ""
        count = f"{finished} of {wanted}" if wanted else f"{finished}"
        stopped = f", stopped after {record.epochs:.3g} epochs" if record.role == "pruned" else ""
        return (
            f"{record.name} ({count})  {record.budget}: {cost}  {record.origin}  "
            f"top-1 {record.top1:.2f} %{stopped}  {record.seconds:.0f} s{ahead}"
        )
