"""The record of the runs at the page's end: what was asked, with what, how scores were made, and the commands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from experiments.report.page_data import Finalist, Scoring, Setting
from experiments.report.runs import Run
from experiments.report.tables import model_of
from experiments.report.wording import plain
from scaler.results.frontier import FrontierInfo
from scaler.results.ledger import Record
from scaler.units import format_quantity

_START = {"random": "random initialisation", "inherited": "cut out of the seed's weights", "weights": "the model's own weights"}
_APART = ("bounds", "command", "environment")  # keys of a request that stand elsewhere on the page


def settings_of(searches: Sequence[Run]) -> tuple[Setting, ...]:
    """Return every key of the requests that was given a value, then what the trials cost."""
    asked = [_given(run.request) for run in searches]
    keys = dict.fromkeys(key for request in asked for key in request)
    settings = [(key.replace("_", " "), [plain(request.get(key, "")) for request in asked]) for key in keys]
    settings += [(name, [total(run.records) for run in searches]) for name, total in _TOTALS.items()]
    return tuple(Setting(name=name, values=tuple(values)) for name, values in settings if any(values))


def _given(request: Mapping[str, Any]) -> dict[str, Any]:
    told = {**request, **request.get("environment", {})}
    return {key: value for key, value in told.items() if key not in _APART and value not in (None, {}, [])}


def _time(records: Sequence[Record]) -> str:
    seconds = sum(record.seconds for record in records)
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _flops(records: Sequence[Record]) -> str:
    flops = sum(record.score.train_flops for record in records)
    return format_quantity(flops) if flops else ""


_TOTALS = {"device time of all trainings": _time, "FLOPs of all forward passes in training": _flops}


def commands_of(searches: Sequence[Run]) -> tuple[str, ...]:
    """Return the command of each search that recorded it."""
    return tuple(str(run.request["command"]) for run in searches if run.request.get("command"))


def scorings_of(info: FrontierInfo) -> tuple[Scoring, ...]:
    """Return the ways in which the models were scored, each once."""
    ways = Counter((r.role, r.split, r.images, r.epochs, r.recipe, _START.get(r.start, r.start)) for r in info.records)
    return tuple(
        Scoring(models=models, role=role, split=split, images=images, epochs=epochs, recipe=recipe, start=start)
        for (role, split, images, epochs, recipe, start), models in ways.items()
    )


def finalists_of(run: Run) -> list[Finalist]:
    """Return the trials of ``run`` that were trained again, the highest mean first."""
    again: dict[int, list[float]] = {}
    for record in run.records:
        if record.role == "finalist":
            again.setdefault(record.trial, []).append(record.top1)
    chosen = [(choice["chosen"]["name"], choice["budget"]) for choice in run.result.get("budgets", ())]
    found = [
        Finalist(
            trial=model_of(record),
            again=tuple(again[record.trial]),
            mean=mean(again[record.trial]),
            chosen_for=tuple(budget for name, budget in chosen if name == record.name),
        )
        for record in run.records
        if record.role == "trial" and record.trial in again
    ]
    return sorted(found, key=lambda finalist: -finalist.mean)
