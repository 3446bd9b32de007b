"""The frontier of one or more searches, from what they left on disk: table, figures and report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report.figure import draw_figures
from experiments.report.html import write_report
from scaler.budget import Bound, Budget
from scaler.errors import ScalerError
from scaler.files import write_atomic
from scaler.results.frontier import PLOTTED_COSTS, FrontierInfo
from scaler.results.ledger import Ledger, Record


@dataclass(frozen=True, kw_only=True)
class Run:
    """One search's folder: its ledger, what was asked of it (``run.json``), and what it says of its choices (``result.json``)."""

    path: Path
    records: tuple[Record, ...]
    request: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def budgets(self) -> list[Budget]:
        return [_budget(entry) for entry in self.request.get("bounds", ())]


def write_frontier(runs: Sequence[Path], out: Path) -> dict[str, Path]:
    """Write the frontier of all ``runs`` together into ``out``.

    Returns:
        The files by kind: ``csv`` (every point and whether it is on the front), ``png`` and ``svg`` (against FLOPs),
        ``params_png`` and ``params_svg`` (against parameters), ``report``.

    Raises:
        ScalerError: there is no run, a folder is none, nothing has finished in it yet, or the runs were not on the same data.
    """
    if not runs:
        raise ScalerError("no run was given: name at least one folder that `scaler search --out` wrote")
    found = [_read(path) for path in dict.fromkeys(runs)]
    _require_same_data(found)
    info = FrontierInfo(
        records=tuple(record for run in found for record in run.records),
        budgets=tuple(dict.fromkeys(budget for run in found for budget in run.budgets)),
    )
    csv = out / "frontier.csv"
    points = points_table(found, info)
    write_atomic(csv, lambda path: points.to_csv(path, index=False))
    figures = draw_figures(info, out)
    results = [run.result for run in found if run.result]
    report = write_report(info, {str(run.path): run.request for run in found if run.request}, figures, out, results)
    return {"csv": csv, **dict(zip(("png", "svg", "params_png", "params_svg"), figures, strict=True)), "report": report}


def points_table(runs: Sequence[Run], info: FrontierInfo) -> pd.DataFrame:
    """One row for each record of ``runs``: its run, the ledger's columns, and whether it is on the front of its kind of score."""
    frame = pd.DataFrame([{"run": str(run.path), **record.row()} for run in runs for record in run.records])
    return frame.assign(**{f"on_{cost}_front": info.on_front(cost) for cost in PLOTTED_COSTS})


def _read(path: Path) -> Run:
    ledger, request, result = (path / name for name in ("ledger.csv", "run.json", "result.json"))
    if not ledger.is_file():
        raise ScalerError(f"{path} is not a run: it holds no ledger.csv; give a folder that `scaler search --out` wrote")
    try:
        records = tuple(Ledger(ledger))
        asked, said = (json.loads(file.read_text(encoding="utf-8")) if file.exists() else {} for file in (request, result))
    except (KeyError, TypeError, ValueError) as error:
        raise ScalerError(
            f"{path}: ledger.csv, run.json or result.json is damaged ({error}); restore it or leave the run out"
        ) from error
    if not records:
        raise ScalerError(f"{path} has an empty ledger: no evaluation has finished; run the same `scaler search` again to go on")
    return Run(path=path, records=records, request=asked, result=said)


def _require_same_data(runs: Sequence[Run]) -> None:
    """Accuracies on different images do not compare."""
    names = {record.data: run.path for run in reversed(runs) for record in run.records}
    if len(names) > 1:
        (data, path), (other_data, other_path) = sorted(names.items())[:2]
        raise ScalerError(
            f"accuracies on {data!r} ({path}) and on {other_data!r} ({other_path}) do not compare: give runs on the same data"
        )


def _budget(entry: Mapping[str, Any]) -> Budget:
    """From run.json's form, where an open side is null."""
    bounds = ((key, Bound(low or 0, inf if high is None else high)) for key, (low, high) in entry["bounds"].items())
    return Budget(tuple(sorted(bounds)), entry["text"])
