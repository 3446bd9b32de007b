"""The main job: from a seed, budgets and images to a family of variants, each the best found under its budget.

`run_search` reads as the project's picture: a strategy proposes from the feasible sets, fvcore confirms the cost, the backend
scores, the ledger keeps, and the best under each budget is emitted as a variant.
"""

import time
from collections.abc import Callable
from pathlib import Path

from experiments.runtime.console import is_main_process
from experiments.scoring.records import record_of, variant_info
from experiments.scoring.score import Backend
from experiments.search.request import Request
from experiments.search.run_folder import LEDGER, REQUEST, TRIALS, SearchContext, check_request, open_run
from experiments.search.selection import Chosen, choose_variants, train_finalists
from experiments.training.rungs import RungSchedule
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.errors import DivergedError, ScalerError
from scaler.results.ledger import Ledger, Record
from scaler.results.variant import VariantInfo
from scaler.trials.pruning import rule
from scaler.trials.study import Candidate, SearchStudy
from scaler.units import format_quantity
from search_spaces.baselines import baselines


def run_search(job: SearchContext, train_all: Callable[[SearchStudy], None] | None = None) -> list[Chosen]:
    """Run a search, or continue the one in its folder, until ``trials`` candidates are scored.

    Args:
        train_all: has other processes `run_worker` until the study is finished; None works here.

    Returns:
        For each budget the best of all candidates that meet it, whichever budget they were drawn for.

    Raises:
        InfeasibleError: a budget that nothing meets; nothing was written.
        ScalerError: the folder holds another search, or no candidate of some budget could be scored.
    """
    for feasible in job.sets:
        feasible.require()
    open_run(job.request, job.out, job.sets)
    study = job.study()
    study.enqueue(baselines(job.space, job.sets, job.request.draw_seed))
    study.recover()
    sync_ledger(study, job.out)
    if train_all is None:
        run_worker(job, study)
    else:
        train_all(study)
    rows = sync_ledger(study, job.out)
    again = {(row.trial, row.seed): row for feasible in job.sets for row in train_finalists(job, feasible, rows)}
    return choose_variants(job, study, rows, list(again.values()))


def join_search(job: SearchContext) -> None:
    """Train candidates of a search that another process started, until it has as many as were asked for.

    Raises:
        ScalerError: no search was started in the folder, or another one.
    """
    if not (job.out / REQUEST).exists():
        raise ScalerError(f"{job.out} holds no search to join: start it without --as-worker first")
    check_request(job.request, job.out)
    run_worker(job, job.study(), alone=False)


def run_worker(job: SearchContext, study: SearchStudy, *, alone: bool = True) -> None:
    """Score candidates until the search has as many as were asked for. Only one process at a time keeps the ledger."""
    pace = _Pace(study.finished(), job.request.trials)
    for asked in study.ask(job.request.trials):
        try:
            with study.training(asked):
                record, pruned = _score(asked, job)
        except DivergedError as error:
            study.fail(asked, str(error))
            job.say(f"trial {asked.number} failed and counts as tried: {error}")
            continue
        study.tell(asked, record.top1, record.row(), pruned)
        if alone:
            sync_ledger(study, job.out)
        job.say(pace.line(record, study.finished()))


def sync_ledger(study: SearchStudy, out: Path) -> list[Record]:
    """Bring the ledger up to the study, whose record of a trial is the one that counts; all trials' rows."""
    ledger = Ledger(out / LEDGER)
    rows = {row.trial: row for row in ledger if row.role in ("trial", "pruned")}
    for number, told in study.records().items():
        if number not in rows:
            rows[number] = Record.of_row(told)
            ledger.append(rows[number])
    return list(rows.values())


def train_variant(spec: ModelSpec, note: VariantInfo, backend: Backend, out: Path, *, seed: int, role: str) -> Record:
    """Train one target in full into ``out``, score it on the test split, and keep the result in ``out``'s ledger."""
    score = backend.score(spec, note, out, seed=seed, final=True)
    record = record_of(role, -1, spec, note, score, backend, seed)
    ledger = Ledger(out / LEDGER)
    if is_main_process() and record not in ledger:
        ledger.append(record)
    return record


def _score(asked: Candidate, job: SearchContext) -> tuple[Record, bool]:
    """The record of a candidate, and whether its training was stopped early."""
    name, seed = f"trial-{asked.number:04d}", job.request.draw_seed
    spec = model_spec_of(name, asked.arch)
    note = variant_info(spec, job.request.seed, job.sets[asked.budget].budget.text)
    if not asked.limits.admits({"flops": note.flops, "params": note.params, "resolution": spec.resolution}):
        raise RuntimeError(
            f"the candidate of trial {asked.number} costs {note.flops} FLOPs, {note.params} parameters, over {asked.limits}"
        )
    score = job.backend.score(spec, note, job.out / TRIALS / name, seed=seed, final=False, rungs=_rungs(asked, job.request))
    role = "pruned" if score.pruned else "trial"
    return record_of(role, asked.number, spec, note, score, job.backend, seed, asked.origin), score.pruned


def _rungs(asked: Candidate, request: Request) -> RungSchedule | None:
    if request.halving == "none":
        return None
    growth = rule(request.halving).growth
    return RungSchedule(trial=_CandidateTrial(asked), first_images=request.first_rung, growth=growth)


class _CandidateTrial:
    """A candidate as the trial of a `RungSchedule`."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate, self._should_prune = candidate, False

    def report(self, step: int, top1: float) -> None:
        self._should_prune = self.candidate.stops(step, top1)

    def should_prune(self) -> bool:
        return self._should_prune


class _Pace:
    """Progress in words: trials done, time left at the pace of this call."""

    def __init__(self, finished: int, wanted: int) -> None:
        self.finished, self.wanted, self.began = finished, wanted, time.monotonic()

    def line(self, record: Record, finished: int) -> str:
        left = (time.monotonic() - self.began) / max(1, finished - self.finished) * max(0, self.wanted - finished)
        cost = f"{format_quantity(record.flops)} FLOPs, {format_quantity(record.params)} parameters, {record.resolution} px"
        stopped = f", stopped after {record.epochs:.3g} epochs" if record.role == "pruned" else ""
        return (
            f"trial {finished}/{self.wanted}  {record.budget}: {cost}  {record.origin}  "
            f"top-1 {record.top1:.2f} %{stopped}  {record.seconds:.0f} s, about {left / 60:.1f} min left"
        )
