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

from experiments.backend import Backend, Score
from experiments.console import speaks
from models.targets import Target, of_arch, open_target
from scaler.cost import Cost
from scaler.errors import DivergedError, ScalerError
from scaler.family import cost_of
from scaler.feasible import FeasibleSet
from scaler.files import write_json
from scaler.ledger import Ledger, Record
from scaler.space import SearchSpace
from scaler.strategy import strategy
from scaler.study import Asked, SearchStudy
from scaler.units import format_quantity
from scaler.variant import Note

LEDGER, REQUEST, TRIALS, VARIANTS = "ledger.csv", "run.json", "trials", "variants"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a search was asked for; kept as ``run.json``. All but ``trials`` must stay as they are when it is continued."""

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


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best candidate under one budget, and the folder of its variant."""

    budget: str
    folder: Path
    record: Record


def search(
    request: Request, out: Path, space: SearchSpace, sets: Sequence[FeasibleSet], backend: Backend, say: Say
) -> list[Chosen]:
    """Run a search, or continue the one in ``out``, until ``request.trials`` candidates are scored.

    Returns:
        For each budget the candidate with the best score among all that meet it, whichever budget it was drawn for.

    Raises:
        InfeasibleError: a budget that nothing meets; nothing was written.
        ScalerError: ``out`` holds another search, or no candidate of some budget could be scored.
    """
    for feasible in sets:
        feasible.require()
    open_run(request, out, sets)
    study = SearchStudy(out, space, sets, strategy(request.strategy, request.trials), request.draw_seed, request.storage)
    ledger, pace = Ledger(out / LEDGER), _Pace(study.finished(), request.trials)
    rows = {row.trial: row for row in ledger}
    for asked in study.ask(request.trials):
        try:
            record = _score(asked, request, out, sets, backend)
        except DivergedError as error:
            study.fail(asked.number)
            say(f"trial {asked.number} failed and counts as tried: {error}")
            continue
        if asked.number not in rows:
            ledger.append(record)
        rows[asked.number] = record
        study.tell(asked.number, record.top1)
        say(pace.line(record, max(row.top1 for row in rows.values() if row.budget == record.budget)))
    return [_emit(feasible, list(rows.values()), request, out) for feasible in sets]


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
    asked = json.loads(json.dumps(asdict(request)))
    path = out / REQUEST
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        for key in asked.keys() - {"trials"}:
            if before.get(key) != asked[key]:
                raise ScalerError(
                    f"{out} holds a search with {key} = {before.get(key)}, not {asked[key]}: choose another --out to start anew"
                )
    elif (out / LEDGER).exists():
        raise ScalerError(f"{out} holds results but no {REQUEST}: choose another --out")
    bounds = [{"text": s.budget.text, "bounds": _bounds(s)} for s in sets]
    write_json(path, asked | {"bounds": bounds})


def _score(asked: Asked, request: Request, out: Path, sets: Sequence[FeasibleSet], backend: Backend) -> Record:
    budget = sets[asked.budget].budget
    name = f"trial-{asked.number:04d}"
    target = of_arch(name, asked.arch)
    note = note_of(target, request.seed, budget.text)
    if not budget.admits(Cost(note.flops, note.params), target.resolution):
        raise RuntimeError(
            f"the candidate of trial {asked.number} costs {note.flops} FLOPs, {note.params} parameters, over {budget}"
        )
    score = backend.score(target, note, out / TRIALS / name, seed=request.draw_seed, final=False)
    return _record("trial", asked.number, target, note, score, backend, request.draw_seed)


def _record(role: str, trial: int, target: Target, note: Note, score: Score, backend: Backend, seed: int) -> Record:
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
        **asdict(score),
    )


def _emit(feasible: FeasibleSet, rows: list[Record], request: Request, out: Path) -> Chosen:
    """Write the best trial that meets a budget as a variant, its cost counted again on the reloaded model."""
    text = feasible.budget.text
    fitting = [row for row in rows if feasible.budget.admits(Cost(row.flops, row.params), row.resolution)]
    if not fitting:
        raise ScalerError(f"no candidate for {text} could be scored in {len(rows)} trials: raise --trials or change --recipe")
    best = max(fitting, key=lambda row: (row.top1, -row.loss))
    folder = out / VARIANTS / _slug(text)
    trial = open_target(str(out / TRIALS / best.name))
    target = of_arch(best.name, trial.arch) if trial.arch else trial
    target.write(folder, note_of(target, request.seed, text))
    counted = open_target(str(folder)).count()
    if counted != (best.flops, best.params):
        raise RuntimeError(f"{folder} reloads as {counted}, it was scored as {best.flops} FLOPs, {best.params} parameters")
    return Chosen(budget=text, folder=folder, record=best)


def _slug(text: str) -> str:
    """A budget as a folder's name: ``flops=60%,params=1M`` becomes ``flops-60pct-params-1M``."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text.replace("%", "pct")).strip("-")


def _bounds(feasible: FeasibleSet) -> dict[str, list[float | None]]:
    ends = {key: [bound.low or None, bound.high] for key, bound in feasible.budget.bounds}
    return {key: [None if end == float("inf") else end for end in pair] for key, pair in ends.items()}


class _Pace:
    """Progress in words: trials done, time left at the pace of this call, the best so far."""

    def __init__(self, finished: int, wanted: int) -> None:
        self.finished, self.done, self.wanted, self.began = finished, 0, wanted, time.monotonic()

    def line(self, record: Record, best: float) -> str:
        self.done += 1
        left = (time.monotonic() - self.began) / self.done * max(0, self.wanted - self.finished - self.done)
        cost = f"{format_quantity(record.flops)} FLOPs, {format_quantity(record.params)} parameters, {record.resolution} px"
        return (
            f"trial {self.finished + self.done}/{self.wanted}  {record.budget}: {cost}  "
            f"top-1 {record.top1:.2f} % (best {best:.2f} %)  {record.seconds:.0f} s, about {left / 60:.1f} min left"
        )
