"""The page's data, built from the runs' records, requests and results."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.report import points as view
from experiments.report.answers import Answer, Trained, answers, estimate, trained_models
from experiments.report.cards import card_of, latencies_of
from experiments.report.drawings import Drawings
from experiments.report.findings import findings
from experiments.report.page_data import Estimate, PageData, SeedLine, Shares
from experiments.report.palette import BLACK, BLUE, GREEN, GREY, PURPLE, RUNS, SKY, VERMILION
from experiments.report.picture_data import Curve, Pictures
from experiments.report.points import COSTS, UNITS, Points, add_trained, add_trials, bands_of
from experiments.report.run_record import commands_of, finalists_of, scorings_of, settings_of
from experiments.report.runs import Run
from experiments.report.search_pictures import effects_of, progress_of
from experiments.report.seed import Seed, seed_of
from experiments.report.stages import parts_by_stage
from experiments.report.tables import model_of, trained_rows
from experiments.report.why import choices_of
from experiments.report.wording import counted, data_label, kind_of_score
from models.zoo.published import Published
from scaler.results.frontier import BASELINE, PRUNED, TRAINED, TRIALS, FrontierInfo
from scaler.results.ledger import Record

_LISTED = 50  # trials in the page's table; all are in frontier.csv
_COLOURS = {"vermilion": VERMILION, "blue": BLUE, "sky": SKY, "green": GREEN, "grey": GREY, "black": BLACK, "purple": PURPLE}


def build_page(info: FrontierInfo, runs: Sequence[Run], published: Sequence[Published] = ()) -> PageData:
    """Return the page's data.

    Args:
        info: the records and budgets of all ``runs``.
        published: models whose accuracies compare with those of the runs.
    """
    drawings, latencies, seed = Drawings(), latencies_of(runs), seed_of(runs)
    found, models = answers(info, runs), trained_models(runs)
    cards = tuple(card_of(answer, runs, seed, drawings, latencies) for answer in found)
    line = _seed_line(seed, drawings)
    searches = [run for run in runs if run.is_search or any(r.role in TRIALS for r in run.records)]
    points = Points(drawings, latencies)
    add_trained(points, models, seed, published)
    add_trials(points, info, searches)
    effects = [effect for run in searches[:1] for effect in effects_of(run)]
    best = sorted(info.of(TRIALS), key=lambda record: (-record.top1, record.flops))
    return PageData(
        title=_title(info, seed),
        findings=findings(cards, line),
        remarks=tuple(_remarks(searches)),
        cards=cards,
        seed=line,
        trained=tuple(trained_rows(runs)),
        choices=tuple(choice for run in searches for choice in choices_of(run)),
        finalists=tuple(finalist for run in runs for finalist in finalists_of(run)),
        effects=tuple(effects),
        effects_basis=_effects_basis(searches) if effects else "",
        shares=tuple(_shares(found, seed)),
        scorings=scorings_of(info),
        trials=tuple(model_of(record) for record in best[:_LISTED]),
        trials_in_all=len(best),
        run_names=tuple(str(run.path) for run in searches),
        settings=settings_of(searches),
        commands=commands_of(searches),
        pictures=Pictures(
            costs=COSTS,
            units=UNITS,
            drawings=drawings.stages,
            seed_drawing=line.drawing if line else None,
            first_view=view.TRIALS if info.of(TRIALS) and not models else view.TRAINED,
            kinds=_kinds(info),
            series=tuple(points.series),
            points=tuple(points.points),
            bands=bands_of(info.budgets),
            progress=tuple(progress for run in searches for progress in progress_of(run)),
            curves=tuple(_curves(runs)),
            colours=_COLOURS,
        ),
    )


def _title(info: FrontierInfo, seed: Seed | None) -> str:
    under = f" under {counted(len(info.budgets), 'budget')}" if info.budgets else ""
    return f"{seed.name if seed else 'Models'}{under} on {data_label(info.data_name)}"


def _remarks(searches: Sequence[Run]) -> Iterator[str]:
    """Yield a remark on each search that is not finished."""
    for run in searches:
        wanted, done = run.request.get("trials"), sum(record.role in TRIALS + PRUNED for record in run.records)
        if not run.result and isinstance(wanted, int) and done < wanted:
            yield f"The search in {run.path} is not finished: {done} of {wanted} candidates are scored."


def _seed_line(seed: Seed | None, drawings: Drawings) -> SeedLine | None:
    if seed is None:
        return None
    top1: Estimate | None = estimate(seed.records) if seed.records else None
    return SeedLine(
        name=seed.name, flops=seed.flops, params=seed.params, resolution=seed.resolution, top1=top1,
        drawing=drawings.add(seed.arch),
    )  # fmt: skip


def _kinds(info: FrontierInfo) -> dict[str, str]:
    """Return the kind of score of each view that has points, in words."""
    views = {view.TRAINED: info.of(TRAINED), view.TRIALS: info.of((*TRIALS, *PRUNED))}
    return {name: kind_of_score(records) for name, records in views.items() if records}


def _effects_basis(searches: Sequence[Run]) -> str:
    trials = [record for record in searches[0].records if record.role in TRIALS]
    return f"{counted(len(trials), 'trial')} of {searches[0].path}, {kind_of_score(trials)}"


def _curves(runs: Sequence[Run]) -> Iterator[Curve]:
    """Yield the training loss of each model that was trained in full, baselines dashed in the colour of their budget."""
    budgets: dict[str, str] = {}
    for run in runs:
        for record in run.records[:1]:
            if record.role in TRAINED and len(run.losses) > 1:
                colour = BLACK if record.role == "seed" else budgets.setdefault(record.budget, RUNS[len(budgets) % len(RUNS)])
                yield Curve(
                    label=f"{_role_label(record)}{record.budget or record.name}",
                    colour=colour,
                    is_dashed=record.role == BASELINE,
                    epochs=tuple(epoch for epoch, _ in run.losses),
                    loss=tuple(loss for _, loss in run.losses),
                )


def _role_label(record: Record) -> str:
    return {"seed": "seed ", BASELINE: "uniform scaling, "}.get(record.role, "")


def _shares(found: Sequence[Answer], seed: Seed | None) -> Iterator[Shares]:
    """Yield the cost by part of the seed and of each answer whose family describes its parts."""
    rows: list[tuple[str, str, Mapping[str, Any]]] = [("seed", seed.family, seed.arch)] if seed else []
    rows += [(answer.budget.text, *_architecture(answer.model)) for answer in found]
    for label, family, arch in rows:
        parts = parts_by_stage(family, arch)
        if parts:
            flops, params = zip(*parts.values(), strict=True)
            yield Shares(label=label, parts=tuple(parts), flops=flops, params=params)


def _architecture(model: Trained) -> tuple[str, Mapping[str, Any]]:
    return model.record.family, json.loads(model.record.arch)
