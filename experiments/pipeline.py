"""The main job: from a seed, budgets and images to a family of variants, each the best found under its budget.

`search` reads as the project's picture: a strategy proposes from the feasible sets, fvcore confirms the cost, the backend scores,
the ledger keeps, and the best under each budget is emitted as a variant.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import why
from experiments.backend import Backend, Score
from experiments.baselines import baselines
from experiments.console import speaks
from experiments.rungs import Watch
from models.targets import Target, of_arch, open_target
from scaler.cost import Cost
from scaler.errors import DivergedError, ScalerError
from scaler.family import cost_of
from scaler.feasible import FeasibleSet
from scaler.files import write_json
from scaler.ledger import Ledger, Record
from scaler.pruner import rule
from scaler.space import SearchSpace
from scaler.strategy import strategy
from scaler.study import Asked, SearchStudy
from scaler.units import format_quantity
from scaler.variant import Note

LEDGER, REQUEST, RESULT = "ledger.csv", "run.json", "result.json"
TRIALS, FINALS, VARIANTS = "trials", "finalists", "variants"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a search was asked for; kept as ``run.json``. All but ``trials`` must stay as they are when it is continued.

    ``halving`` looks at a candidate first when it has seen ``first_rung`` images; None for an epoch's. ``finalists`` of each
    budget are trained again from ``seeds`` other seeds; 0 takes the best trial.
    """

    seed: str
    budgets: tuple[str, ...]
    axes: dict[str, Any]
    data: str
    train_images: int | None
    teacher: str | None
    strategy: str
    recipe: str
    trials: int
    draw_seed: int
    storage: str | None
    logits: str | None = None
    halving: str = "none"
    first_rung: int | None = None
    low_resolution: float = 1.0
    finalists: int = 0
    seeds: int = 2


@dataclass(frozen=True, kw_only=True)
class Search:
    """What every process of a search needs."""

    request: Request
    out: Path
    space: SearchSpace
    sets: Sequence[FeasibleSet]
    backend: Backend
    say: Say

    def study(self) -> SearchStudy:
        asked = self.request
        chooser = strategy(asked.strategy, asked.trials)
        return SearchStudy(self.out, self.space, self.sets, chooser, asked.draw_seed, asked.storage, asked.halving)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best candidate under one budget, the folder of its variant, and why it was chosen (`experiments.why`)."""

    budget: str
    folder: Path
    record: Record
    why: dict[str, Any]


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
    finals = {(row.trial, row.seed): row for feasible in job.sets for row in _finals(job, feasible, rows)}
    return _choose(job, study, rows, list(finals.values()))


def join(job: Search) -> None:
    """Train candidates of a search that another process started, until it has as many as were asked for.

    Raises:
        ScalerError: no search was started in the folder, or another one.
    """
    if not (job.out / REQUEST).exists():
        raise ScalerError(f"{job.out} holds no search to join: start it without --as-worker first")
    _check_request(job.request, job.out)
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
    record = _record(role, -1, target, note, score, backend, seed)
    ledger = Ledger(out / LEDGER)
    if speaks() and record not in ledger:
        ledger.append(record)
    return record


def note_of(target: Target, seed: str, budget: str = "") -> Note:
    """The note of a target, its cost counted by fvcore and, where its family is ours, equal to the sum over its parts."""
    counted = target.count()
    arch = target.arch
    if arch is not None and counted != cost_of(arch):
        raise RuntimeError(f"fvcore counts {counted}, the parts sum to {cost_of(arch)}: {arch}")
    described = {} if arch is None else arch.to_dict()
    return Note(
        family=arch.family if arch else "", arch=described, seed=seed, budget=budget, flops=counted.flops, params=counted.params
    )


def open_run(request: Request, out: Path, sets: Sequence[FeasibleSet]) -> None:
    """Write ``run.json``, or check that the one in ``out`` asks for the same.

    Raises:
        ScalerError: it asks for something else; the message names the first difference.
    """
    path = out / REQUEST
    if path.exists():
        _check_request(request, out)
    elif (out / LEDGER).exists():
        raise ScalerError(f"{out} holds results but no {REQUEST}: choose another --out")
    bounds = [{"text": s.budget.text, "bounds": _bounds(s)} for s in sets]
    write_json(path, _plain(request) | {"bounds": bounds})


def _check_request(request: Request, out: Path) -> None:
    asked, before = _plain(request), json.loads((out / REQUEST).read_text(encoding="utf-8"))
    for key in asked.keys() - {"trials"}:
        if before.get(key) != asked[key]:
            raise ScalerError(
                f"{out} holds a search with {key} = {before.get(key)}, not {asked[key]}: choose another --out to start anew"
            )


def _plain(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(request)))
    return found


def _score(asked: Asked, job: Search) -> tuple[Record, bool]:
    """The record of a candidate, and whether its training was stopped early."""
    name, seed = f"trial-{asked.number:04d}", job.request.draw_seed
    target = of_arch(name, asked.arch)
    note = note_of(target, job.request.seed, job.sets[asked.budget].budget.text)
    if not asked.limits.admits(Cost(note.flops, note.params), target.resolution):
        raise RuntimeError(
            f"the candidate of trial {asked.number} costs {note.flops} FLOPs, {note.params} parameters, over {asked.limits}"
        )
    score = job.backend.score(target, note, job.out / TRIALS / name, seed=seed, final=False, watch=_watch(asked, job.request))
    role = "pruned" if score.pruned else "trial"
    return _record(role, asked.number, target, note, score, job.backend, seed, asked.origin), score.pruned


def _watch(asked: Asked, request: Request) -> Watch | None:
    if request.halving == "none":
        return None
    return Watch(stops=asked.stops, first=request.first_rung, growth=rule(request.halving).growth)


def _record(
    role: str, trial: int, target: Target, note: Note, score: Score, backend: Backend, seed: int, origin: str = ""
) -> Record:
    scored = asdict(score)
    del scored["pruned"]
    return Record(
        role=role,
        trial=trial,
        budget=note.budget,
        name=Path(target.name).name,
        family=note.family,
        flops=note.flops,
        params=note.params,
        resolution=target.resolution,
        seed=seed,
        recipe=backend.recipe_name,
        data=backend.data_name,
        arch=json.dumps(note.arch),
        origin=origin,
        **scored,
    )


def fitting(feasible: FeasibleSet, rows: Sequence[Record]) -> list[Record]:
    """The fully scored trials that meet a budget, the best first.

    Raises:
        ScalerError: there is none.
    """
    budget = feasible.budget
    found = [row for row in rows if row.role == "trial" and budget.admits(Cost(row.flops, row.params), row.resolution)]
    if not found:
        raise ScalerError(f"no candidate for {budget} could be scored in {len(rows)} trials: raise --trials or change --recipe")
    return sorted(found, key=lambda row: (-row.top1, row.loss))


def _finals(job: Search, feasible: FeasibleSet, rows: Sequence[Record]) -> list[Record]:
    """The best of a budget, trained again from other seeds: the score that picked them flatters them."""
    found = []
    ledger = Ledger(job.out / LEDGER)
    known = {(row.trial, row.seed): row for row in ledger if row.role == "finalist"}
    for row in fitting(feasible, rows)[: job.request.finalists]:
        trial = open_target(str(job.out / TRIALS / row.name))
        target = of_arch(row.name, trial.arch) if trial.arch else trial
        for seed in range(row.seed + 1, row.seed + 1 + job.request.seeds):
            if (row.trial, seed) not in known:
                note = note_of(target, job.request.seed, row.budget)
                score = job.backend.score(target, note, job.out / FINALS / f"{row.name}-seed{seed}", seed=seed, final=False)
                known[row.trial, seed] = _record(
                    "finalist", row.trial, target, note, score, job.backend, seed, row.origin
                )  # fmt: skip
                ledger.append(known[row.trial, seed])
                job.say(f"finalist {row.name}, seed {seed}: top-1 {score.top1:.2f} % (as a trial {row.top1:.2f} %)")
            found.append(known[row.trial, seed])
    return found


def _choose(job: Search, study: SearchStudy, rows: Sequence[Record], finals: Sequence[Record]) -> list[Chosen]:
    """The best under each budget as a variant, and ``result.json``: what was chosen and why."""
    contenders = [why.contenders(fitting(feasible, rows), finals) for feasible in job.sets]
    reasons = [why.explain(best, study.notes(), job.sets[i], job.space) for i, best in enumerate(contenders)]
    chosen = [
        Chosen(budget=s.budget.text, folder=_emit(s, best[0].record, job), record=best[0].record, why=reason)
        for s, best, reason in zip(job.sets, contenders, reasons, strict=True)
    ]
    found = [{"folder": str(c.folder), **c.why} for c in chosen]
    write_json(job.out / RESULT, {"budgets": found, "importances": study.importances()})
    return chosen


def _emit(feasible: FeasibleSet, best: Record, job: Search) -> Path:
    """Write a trial as the variant of a budget, its cost counted again on the reloaded model."""
    text = feasible.budget.text
    folder = job.out / VARIANTS / _slug(text)
    trial = open_target(str(job.out / TRIALS / best.name))
    target = of_arch(best.name, trial.arch) if trial.arch else trial
    target.write(folder, note_of(target, job.request.seed, text))
    counted = open_target(str(folder)).count()
    if counted != (best.flops, best.params):
        raise RuntimeError(f"{folder} reloads as {counted}, it was scored as {best.flops} FLOPs, {best.params} parameters")
    return folder


def _slug(text: str) -> str:
    """A budget as a folder's name: ``flops=60%,params=1M`` becomes ``flops-60pct-params-1M``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text.replace("%", "pct")).strip("-")


def _bounds(feasible: FeasibleSet) -> dict[str, list[float | None]]:
    ends = {key: [bound.low or None, bound.high] for key, bound in feasible.budget.bounds}
    return {key: [None if end == float("inf") else end for end in pair] for key, pair in ends.items()}


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
