"""The page's data, built from the runs' records, requests and results."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from experiments.report.page_data import (
    Baseline,
    Best,
    Choice,
    Drawing,
    Explanation,
    Finalist,
    Front,
    Importance,
    Model,
    Neighbour,
    PageData,
    Scoring,
    Setting,
)
from experiments.report.runs import Run, budget_of
from experiments.report.wording import COST_NAMES, budget_use, counted, describe, kind_of_score, plain
from scaler.budget import Budget
from scaler.results.frontier import PLOTTED_COSTS, PRUNED, TRIALS, FrontierInfo
from scaler.results.intervals import wilson
from scaler.results.ledger import Record

_START = {"random": "random initialisation", "inherited": "cut out of the seed's weights", "weights": "the model's own weights"}
_ROLES = {
    "trial": ("trial", " of the search"),
    "pruned": ("trial", " stopped early"),
    "finalist": ("training", " of finalists"),
    "chosen": ("chosen variant", " trained in full"),
    "seed": ("seed", ""),
}
_SHOWN_AXES = 6  # the most important ones


def build_page(info: FrontierInfo, runs: Sequence[Run], drawings: Sequence[str]) -> PageData:
    """Return the page's data.

    Args:
        info: the records and budgets of all ``runs``.
        drawings: SVG documents, one for each of `PLOTTED_COSTS`.
    """
    searches = [run for run in runs if run.request]
    chosen = [(record, budget_of(record, run, runs)) for run in runs for record in run.records if record.role == "chosen"]
    trials = sorted(info.of(TRIALS), key=lambda record: (-record.top1, record.flops))
    stopped = sorted(info.of(PRUNED), key=lambda record: (-record.epochs, -record.top1, record.flops))
    return PageData(
        title=f"Accuracy under compute budgets on {info.data_name}",
        summary=_summary(info),
        run_names=tuple(str(run.path) for run in searches),
        settings=_settings([run.request for run in searches]),
        best=(*_trained(chosen), *_waiting(info, chosen), *_seeds(info)),
        finalists=tuple(finalist for run in runs for finalist in _finalists(run)),
        drawings=tuple(_drawing(svg, cost) for svg, cost in zip(drawings, PLOTTED_COSTS, strict=True)),
        explanations=tuple(_explanation(run.result) for run in runs if run.result),
        scorings=_scorings(info),
        fronts=tuple(_front(info, cost) for cost in PLOTTED_COSTS) if trials else (),
        trials=tuple(map(_model, trials)),
        stopped=tuple(map(_model, stopped)),
    )


def _summary(info: FrontierInfo) -> str:
    counts = Counter(record.role for record in info.records)
    found = [f"{counted(counts[role], noun)}{rest}" for role, (noun, rest) in _ROLES.items() if counts[role]]
    budgets = f" under {counted(len(info.budgets), 'budget')}" if info.budgets else ""
    return f"{', '.join(found)}{budgets}."


def _settings(requests: Sequence[Mapping[str, Any]]) -> tuple[Setting, ...]:
    """Return every key that was given a value; the bounds of the budgets are in the other tables."""
    given = [
        {key: value for key, value in request.items() if key != "bounds" and value not in (None, {}, [])} for request in requests
    ]
    keys = dict.fromkeys(key for request in given for key in request)
    return tuple(
        Setting(name=key.replace("_", " "), values=tuple(plain(request.get(key, "")) for request in given)) for key in keys
    )


def _trained(chosen: Sequence[tuple[Record, Budget | None]]) -> Iterator[Best]:
    """Yield the chosen variants that were trained in full."""
    for record, budget in chosen:
        yield Best(budget=record.budget, model=_model(record), use=budget_use(budget, record))


def _waiting(info: FrontierInfo, chosen: Sequence[tuple[Record, Budget | None]]) -> Iterator[Best]:
    """Yield the best trial that meets each budget without a trained variant, whichever budget the trial was drawn for."""
    trained = {budget.bounds for _, budget in chosen if budget is not None}
    for budget in info.budgets:
        trials = [record for record in info.of(TRIALS) if budget.admits(record.quantities)]
        if trials and budget.bounds not in trained:
            leader = max(trials, key=lambda record: (record.top1, -record.loss))
            yield Best(budget=budget.text, model=_model(leader), use=budget_use(budget, leader))


def _seeds(info: FrontierInfo) -> Iterator[Best]:
    return (Best(budget="seed", model=_model(record), use="") for record in info.of(("seed",)))


def _finalists(run: Run) -> list[Finalist]:
    """Return the trials of ``run`` that were trained again, the highest mean first."""
    again: dict[int, list[float]] = {}
    for record in run.records:
        if record.role == "finalist":
            again.setdefault(record.trial, []).append(record.top1)
    chosen = [(choice["chosen"]["name"], choice["budget"]) for choice in run.result.get("budgets", ())]
    found = [
        Finalist(
            trial=_model(record),
            again=tuple(again[record.trial]),
            mean=mean(again[record.trial]),
            chosen_for=tuple(budget for name, budget in chosen if name == record.name),
        )
        for record in run.records
        if record.role == "trial" and record.trial in again
    ]
    return sorted(found, key=lambda finalist: -finalist.mean)


def _drawing(svg: str, cost: str) -> Drawing:
    """Return an SVG document without its prologue, which has no place inside of an HTML document."""
    return Drawing(cost=COST_NAMES[cost], svg=svg[svg.index("<svg") :])


def _explanation(result: Mapping[str, Any]) -> Explanation:
    importances = sorted(result["importances"].items(), key=lambda item: -item[1])[:_SHOWN_AXES]
    return Explanation(
        choices=tuple(map(_choice, result["budgets"])),
        importances=tuple(Importance(axis=axis, fraction=fraction) for axis, fraction in importances),
    )


def _choice(found: Mapping[str, Any]) -> Choice:
    baselines, neighbours = found["baselines"], found["neighbours"]
    return Choice(
        budget=found["budget"],
        name=found["chosen"]["name"],
        origin=found["chosen"]["origin"],
        reason=found["reason"],
        baselines=tuple(Baseline(origin=row["origin"], name=row["name"], top1=row["top1"]) for row in baselines),
        neighbours=tuple(
            Neighbour(name=row["name"], lost_by=row["lost_by"], changed=_changed(row["changed"])) for row in neighbours
        ),
        path=tuple(step["step"] + 1 for step in found["path"]),
    )


def _changed(changed: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {theirs} instead of {mine}" for name, (mine, theirs) in changed.items())


def _scorings(info: FrontierInfo) -> tuple[Scoring, ...]:
    ways = Counter((r.role, r.split, r.images, r.epochs, r.recipe, _START.get(r.start, r.start)) for r in info.records)
    return tuple(
        Scoring(models=models, role=role, split=split, images=images, epochs=epochs, recipe=recipe, start=start)
        for (role, split, images, epochs, recipe, start), models in ways.items()
    )


def _front(info: FrontierInfo, cost: str) -> Front:
    return Front(cost=COST_NAMES[cost], trials=tuple(map(_model, info.front(cost, TRIALS))))


def _model(record: Record) -> Model:
    low, high = wilson(record.top1, record.images)
    return Model(
        name=record.name,
        budget=record.budget,
        arch=describe(record.arch),
        flops=record.flops,
        params=record.params,
        resolution=record.resolution,
        top1=record.top1,
        low=low,
        high=high,
        score=kind_of_score([record]),
        epochs=record.epochs,
        seconds=record.seconds,
    )
