"""The frontier of one or more runs: table, figures and report."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from experiments.report.build_page import build_page
from experiments.report.figure import draw_figures
from experiments.report.html import write_page
from experiments.report.runs import Run, frontier_info, named_apart, read_run
from scaler.errors import ScalerError
from scaler.files import write_atomic
from scaler.results.frontier import PLOTTED_COSTS, FrontierInfo


def write_frontier(runs: Sequence[Path], out: Path) -> dict[str, Path]:
    """Write the frontier of all ``runs`` together into ``out``.

    Returns:
        The files by kind: ``csv`` (every record and whether it is on the front), ``png`` and ``svg`` (against FLOPs),
        ``params_png`` and ``params_svg`` (against parameters), ``report``.

    Raises:
        ScalerError: if there is no run, a folder is not a run, its ledger is empty, or the runs are on different data.
    """
    if not runs:
        raise ScalerError("no run was given: name at least one folder that `scaler search --out` wrote")
    found = named_apart([read_run(path) for path in dict.fromkeys(runs)])
    _require_same_data(found)
    info = frontier_info(found)
    csv = out / "frontier.csv"
    points = points_table(found, info)
    write_atomic(csv, lambda path: points.to_csv(path, index=False))
    figures = draw_figures(info, out)
    drawings = [file.read_text(encoding="utf-8") for file in figures if file.suffix == ".svg"]
    report = write_page(build_page(info, found, drawings), out)
    return {"csv": csv, **dict(zip(("png", "svg", "params_png", "params_svg"), figures, strict=True)), "report": report}


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
