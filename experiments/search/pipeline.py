"""The main job: from a seed, budgets and images to a family of variants, each the best found under its budget.

`search` reads as the project's picture: a strategy proposes from the feasible sets, fvcore confirms the cost, the backend scores,
the ledger keeps, and the best under each budget is emitted as a variant.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from experiments.runtime.console import speaks
from experiments.scoring.backend import Backend
from experiments.scoring.records import note_of, record_of
from experiments.search.run_folder import LEDGER, REQUEST, TRIALS, Request, Search, check_request, open_run
from experiments.search.selection import Chosen, choose, finals
from experiments.training.rungs import Watch
from models.networks.model_spec import Target, of_arch
from scaler.errors import DivergedError, ScalerError
from scaler.results.ledger import Ledger, Record
from scaler.results.variant import Note
from scaler.trials.pruning import rule
from scaler.trials.study import Asked, SearchStudy
from scaler.units import format_quantity
from search_spaces.baselines import baselines


def search(job: Search, train_all: Callable[[SearchStudy], None] | None = None) -> list[Chosen]:
    """Run a search, or continue the one in its folder, until ``trials`` candidates are scored.

    Args:
        train_all: has other processes `work` until the study is finished; None works here.

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
    keep(study, job.out)
    if train_all is None:
        work(job, study)
    else:
        train_all(study)
    rows = keep(study, job.out)
    again = {(row.trial, row.seed): row for feasible in job.sets for row in finals(job, feasible, rows)}
    return choose(job, study, rows, list(again.values()))


def join(job: Search) -> None:
    """Train candidates of a search that another process started, until it has as many as were asked for.

    Raises:
        ScalerError: no search was started in the folder, or another one.
    """
    if not (job.out / REQUEST).exists():
        raise ScalerError(f"{job.out} holds no search to join: start it without --as-worker first")
    check_request(job.request, job.out)
    work(job, job.study(), alone=False)


def work(job: Search, study: SearchStudy, *, alone: bool = True) -> None:
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
        study.tell(asked, record.top1, asdict(record), pruned)
        if alone:
            keep(study, job.out)
        job.say(pace.line(record, study.finished()))


def keep(study: SearchStudy, out: Path) -> list[Record]:
    """Bring the ledger up to the study, whose record of a trial is the one that counts; all trials' rows."""
    ledger = Ledger(out / LEDGER)
    rows = {row.trial: row for row in ledger if row.role in ("trial", "pruned")}
    for number, told in study.records().items():
        if number not in rows:
            rows[number] = Record(**told)
            ledger.append(rows[number])
    return list(rows.values())


def train(target: Target, note: Note, backend: Backend, out: Path, *, seed: int, role: str) -> Record:
    """Train one target in full into ``out``, score it on the test split, and keep the result in ``out``'s ledger."""
    score = backend.score(target, note, out, seed=seed, final=True)
    record = record_of(role, -1, target, note, score, backend, seed)
    ledger = Ledger(out / LEDGER)
    if speaks() and record not in ledger:
        ledger.append(record)
    return record


def _score(asked: Asked, job: Search) -> tuple[Record, bool]:
    """The record of a candidate, and whether its training was stopped early."""
    name, seed = f"trial-{asked.number:04d}", job.request.draw_seed
    target = of_arch(name, asked.arch)
    note = note_of(target, job.request.seed, job.sets[asked.budget].budget.text)
    if not asked.limits.admits({"flops": note.flops, "params": note.params, "resolution": target.resolution}):
        raise RuntimeError(
            f"the candidate of trial {asked.number} costs {note.flops} FLOPs, {note.params} parameters, over {asked.limits}"
        )
    score = job.backend.score(target, note, job.out / TRIALS / name, seed=seed, final=False, watch=_watch(asked, job.request))
    role = "pruned" if score.pruned else "trial"
    return record_of(role, asked.number, target, note, score, job.backend, seed, asked.origin), score.pruned


def _watch(asked: Asked, request: Request) -> Watch | None:
    if request.halving == "none":
        return None
    return Watch(stops=asked.stops, first=request.first_rung, growth=rule(request.halving).growth)


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
