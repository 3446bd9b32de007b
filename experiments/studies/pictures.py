"""The pictures of README and docs: the report, a running search in the terminal, the figure for papers.

`python -m experiments.studies.pictures` draws them from the kept run in ``docs/example``, by headless Chromium.
"""

import base64
import os
from collections.abc import Sequence
from contextlib import chdir
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from experiments.cli.watch_view import view
from experiments.report.frontier import write_frontier
from experiments.report.snapshot import read_snapshot
from experiments.studies.browser import open_browser
from scaler.files import write_bytes, write_text
from scaler.results.ledger import Ledger, Record
from scaler.trials.attributes import RECORD, WORKER
from scaler.trials.storage import open_storage, quiet_optuna, sqlite_url, worker_name

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE, IMAGES = _DOCS / "example", _DOCS / "images"
_SHOWN = 19  # trials of the kept run that are finished in the picture of a running search
_WIDTH, _HEIGHT = 1280, 1560
# A point that is kept and another one beside it, as a reader leaves them.
_COMPARE = """for (const key of ["Home", "Enter", "ArrowRight", "ArrowRight"])
  canvas.dispatchEvent(new KeyboardEvent("keydown", {key}));
scrollTo(0, 0); document.activeElement.blur();"""


def main() -> None:
    """Draw all pictures into ``docs/images``."""
    with TemporaryDirectory() as folder, open_browser() as driver:
        scratch = Path(folder)
        with chdir(EXAMPLE):  # paths on the page are those that were given
            files = write_frontier([Path("run"), Path("seed")], scratch / "frontier")
        write_bytes(IMAGES / "frontier.png", files["png"].read_bytes())
        for scheme in ("light", "dark"):
            _shoot(driver, files["report"], IMAGES / f"report-{scheme}.png", _HEIGHT, scheme=scheme, script=_COMPARE)
        frame = _watch_frame(scratch / "runs" / "search")
        write_text(scratch / "watch.html", frame)
        _shoot(driver, scratch / "watch.html", IMAGES / "watch.png", None, width=760, scale=2)


def _shoot(
    driver: "Chrome", page: Path, image: Path, height: int | None, *, width: int = _WIDTH, scheme: str = "light", scale: int = 1,
    script: str = "",
) -> None:  # fmt: skip
    """Write a picture of the top of a page; of the whole page without a height."""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    _resize(driver, width, height or 100, scale)
    driver.get(page.as_uri())
    if height is None:
        _resize(driver, width, int(driver.execute_script("return document.documentElement.scrollHeight")), scale)
    driver.execute_script(script)
    found = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    write_bytes(image, base64.b64decode(found["data"]))


def _resize(driver: "Chrome", width: int, height: int, scale: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _watch_frame(run: Path) -> str:
    """Return the HTML of `scaler watch` on the kept run as it was after some trials."""
    write_bytes(run / "run.json", (EXAMPLE / "run" / "run.json").read_bytes())
    shown = [record for record in Ledger(EXAMPLE / "run" / "ledger.csv") if record.role == "trial"][:_SHOWN]
    Ledger(run / "ledger.csv").replace(shown)
    _write_study(run, shown)
    console = Console(width=80, record=True, markup=False, highlight=False, force_terminal=True, file=StringIO())
    with chdir(run.parent.parent):
        console.print(view(read_snapshot(run.relative_to(run.parent.parent))))
    body = "<pre style=\"font: 14px/1.45 'DejaVu Sans Mono', monospace; margin: 14px 18px\">{code}</pre>"
    return console.export_html(inline_styles=True, code_format=f"<!DOCTYPE html><meta charset=utf-8>{body}")


def _write_study(run: Path, records: Sequence[Record]) -> None:
    """Write a study in which ``records`` are finished and two more candidates are in training."""
    now = datetime.now()
    times = [now - timedelta(seconds=sum(r.seconds for r in records[i:]) / 2) for i in range(len(records) + 1)]
    trials = [_trial(r.trial, times[i], times[i + 1], r.top1, {RECORD: r.row()}) for i, r in enumerate(records)]
    free = [number for number in range(len(records) + 2) if number not in {record.trial for record in records}]
    for number in free[:2]:
        trials.append(_trial(number, now - timedelta(seconds=47 - number), None, None, {WORKER: worker_name(os.getppid())}))
    with quiet_optuna():
        study = optuna.create_study(storage=open_storage(sqlite_url(run / "study.db")), study_name="search", direction="maximize")
        study.add_trials(sorted(trials, key=lambda trial: trial.number))


def _trial(number: int, start: datetime, end: datetime | None, value: float | None, attributes: dict[str, object]) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.RUNNING if end is None else TrialState.COMPLETE,
        value=value,
        datetime_start=start,
        datetime_complete=end,
        params={},
        distributions={},
        user_attrs=attributes,
        system_attrs={},
        intermediate_values={},
    )


if __name__ == "__main__":
    main()
