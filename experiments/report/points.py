"""The points of the interactive frontier, in two views: models trained in full, and trials. Their scores are of unlike kind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf

from experiments.report.answers import OTHER, UNIFORM, Trained, estimate, family_of
from experiments.report.drawings import Drawings
from experiments.report.page_data import Estimate
from experiments.report.palette import (
    CHOSEN,
    FRONT,
    LOST,
    PUBLISHED,
    RANDOM,
    RUNS,
    SEED,
    STOPPED,
    Style,
)
from experiments.report.palette import OTHER as OTHER_STYLE
from experiments.report.palette import UNIFORM as UNIFORM_STYLE
from experiments.report.picture_data import Band, Point, Series
from experiments.report.runs import Run
from experiments.report.seed import Seed
from experiments.report.wording import describe
from models.zoo.published import Published
from scaler.budget import Budget
from scaler.results.frontier import BASELINE, FrontierInfo
from scaler.results.ledger import Record
from scaler.units import format_quantity, format_time

COSTS = ("FLOPs", "parameters", "latency", "training cost")
UNITS = ("", "", "ms", "FLOPs of forward passes")
TRAINED, TRIALS = "trained", "trials"
_KEYS = ("flops", "params", "latency")


class Points:
    """Collects points and their series.

    Args:
        latencies: measured milliseconds by architecture.
    """

    def __init__(self, drawings: Drawings, latencies: Mapping[str, float]) -> None:
        self.series: list[Series] = []
        self.points: list[Point] = []
        self._drawings, self._latencies = drawings, latencies

    def add(self, style: Style, view: str, scored: Iterable[tuple[Record, Estimate]]) -> None:
        """Add a series, unless it has no points."""
        number = len(self.series)
        found = [self._point(number, record, score) for record, score in scored]
        if found:
            self._add_series(style, view)
            self.points += found

    def add_published(self, models: Sequence[Published]) -> None:
        """Add published models, whose accuracies have no interval here."""
        for model in models:
            cost = (float(model.flops), float(model.params), None, None)
            self.points.append(
                Point(
                    series=len(self.series), name=model.model, budget="", origin=model.source, cost=cost, top1=model.top1,
                    low=model.top1, high=model.top1, arch=f"{model.timm_name}; resolution {model.resolution}", drawing=None,
                )
            )  # fmt: skip
        if models:
            self._add_series(PUBLISHED, TRAINED)

    def _add_series(self, style: Style, view: str) -> None:
        self.series.append(
            Series(
                label=style.label, view=view, colour=style.colour, marker=style.marker, joined=style.joined,
                is_lost=style in (LOST, STOPPED),
            )
        )  # fmt: skip

    def _point(self, series: int, record: Record, score: Estimate) -> Point:
        spent = float(record.score.train_flops) or None
        return Point(
            series=series,
            name=record.name,
            budget=record.budget,
            origin=record.origin,
            cost=(record.flops, record.params, self._latencies.get(record.arch), spent),
            top1=score.value,
            low=score.low,
            high=score.high,
            arch=describe(record.arch),
            drawing=self._drawings.add(record.arch),
        )


def add_trained(found: Points, models: Sequence[Trained], seed: Seed | None, published: Sequence[Published]) -> None:
    """Add the view of models that were trained in full: a family for each search, uniform scaling, seed, published models."""
    families = dict.fromkeys(family_of(model.run) for model in models if model.record.role == "chosen")
    for i, name in enumerate(families):
        label = CHOSEN.label if len(families) == 1 else f"{CHOSEN.label}, {name}"
        style = replace(CHOSEN, label=label, colour=RUNS[i % len(RUNS)])
        found.add(style, TRAINED, _scored(m for m in models if m.record.role == "chosen" and family_of(m.run) == name))
    found.add(UNIFORM_STYLE, TRAINED, _scored(model for model in models if model.record.role == BASELINE))
    found.add(OTHER_STYLE, TRAINED, _scored(model for model in models if model.record.role == OTHER))
    if seed is not None and seed.records:
        found.add(SEED, TRAINED, [(seed.records[0], estimate(seed.records))])
    found.add_published(published)


def _scored(models: Iterable[Trained]) -> list[tuple[Record, Estimate]]:
    ordered = sorted(models, key=lambda model: model.record.flops)
    return [(model.record, estimate(model.records)) for model in ordered]


def add_trials(found: Points, info: FrontierInfo, searches: Sequence[Run]) -> None:
    """Add the view of trials: the front of each search, uniform scaling, random draws, those that lost or were stopped."""
    for i, run in enumerate(searches):
        own = replace(info, records=run.records)
        label = FRONT.label if len(searches) == 1 else f"{FRONT.label}, {run.path.name}"
        style = replace(FRONT, label=label, colour=RUNS[i % len(RUNS)])
        found.add(style, TRIALS, _each(own.front("flops", ("trial",))))
    front = {record for run in searches for record in replace(info, records=run.records).front("flops", ("trial",))}
    rest = [record for record in info.of(("trial",)) if record not in front]
    scaled = sorted((r for r in info.of(("trial",)) if r.origin == UNIFORM), key=lambda r: r.flops)
    found.add(UNIFORM_STYLE, TRIALS, _each(scaled))
    found.add(RANDOM, TRIALS, _each(r for r in rest if r.origin == "random"))
    found.add(LOST, TRIALS, _each(r for r in rest if r.origin not in (UNIFORM, "random")))
    found.add(STOPPED, TRIALS, _each(info.of(("pruned",))))


def _each(records: Iterable[Record]) -> Iterator[tuple[Record, Estimate]]:
    return ((record, estimate([record])) for record in records)


def bands_of(budgets: Sequence[Budget]) -> tuple[Band, ...]:
    """Return every bound of the budgets on FLOPs, parameters and latency, each once."""
    found: dict[tuple[int, float | None, float | None], Band] = {}
    for budget in budgets:
        for cost, key in enumerate(_KEYS):
            scale = 1e6 if key == "latency" else 1
            low, high = budget[key].low / scale or None, budget[key].high / scale
            if low or high < inf:
                edge = None if high == inf else high
                found.setdefault((cost, low, edge), Band(cost=cost, low=low, high=edge, label=_bound(key, budget)))
    return tuple(found.values())


def _bound(key: str, budget: Budget) -> str:
    low, high = budget[key].low, budget[key].high
    show = format_time if key == "latency" else format_quantity
    if high == inf:
        return f"≥ {show(low)}"
    return f"{show(low)} to {show(high)}" if low else f"≤ {show(high)}"
