"""The frontier of one or more runs: tables, figures and report."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from experiments.report.build_page import build_page
from experiments.report.figure import draw_figures
from experiments.report.html import write_page
from experiments.report.latex import write_table
from experiments.report.runs import Run, frontier_info, named_apart, read_runs
from models.zoo.published import published
from scaler.errors import ScalerError
from scaler.files import write_atomic
from scaler.results.frontier import PLOTTED_COSTS, FrontierInfo


def write_frontier(runs: Sequence[Path], out: Path) -> dict[str, Path]:
    """Write the frontier of all ``runs`` together into ``out``; models that were trained in a search's folder belong to it.

    Returns:
        The files by kind: ``report``, ``csv`` (every record and whether it is on the front), ``tex`` (the family as a table),
        ``png``, ``svg`` and ``pdf`` (against FLOPs), ``params_png``, ``params_svg`` and ``params_pdf`` (against parameters).

    Raises:
        ScalerError: if there is no run, a folder is not a run, its ledger is empty, or the runs are on different data.
    """
    if not runs:
        raise ScalerError("no run was given: name at least one folder that `scaler search --out` wrote")
    found = named_apart(read_runs(list(dict.fromkeys(runs))))
    _require_same_data(found)
    info = frontier_info(found)
    page = build_page(info, found, published() if is_imagenet_1k(info) else ())
    points, csv = points_table(found, info), out / "frontier.csv"
    write_atomic(csv, lambda path: points.to_csv(path, index=False))
    table = write_table(page.cards, page.seed, out / "frontier.tex")
    return {"report": write_page(page, out), "csv": csv, "tex": table, **draw_figures(page.pictures, out)}


def is_imagenet_1k(info: FrontierInfo) -> bool:
    """Return True if the scores are on ImageNet-1k, so that they compare with published accuracies."""
    classes = {json.loads(record.arch).get("num_classes") for record in info.records} - {None}
    return "imagenet" in info.data_name.lower() and classes == {1000}


def points_table(runs: Sequence[Run], info: FrontierInfo) -> pd.DataFrame:
    """Return one row per record of ``runs``: its run, the ledger's columns, and membership in the front of its kind of score."""
    frame = pd.DataFrame([{"run": str(run.path), **record.row()} for run in runs for record in run.records])
    return frame.assign(**{f"on_{cost}_front": info.on_front(cost) for cost in PLOTTED_COSTS})


def _require_same_data(runs: Sequence[Run]) -> None:
    """Raise a ScalerError if the runs are on different data: accuracies on different images do not compare."""
    names = {record.data: run.path for run in reversed(runs) for record in run.records}
    if len(names) > 1:
        (data, path), (other_data, other_path) = sorted(names.items())[:2]
        raise ScalerError(
            f"accuracies on {data!r} ({path}) and on {other_data!r} ({other_path}) do not compare: give runs on the same data"
        )
