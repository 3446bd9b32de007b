"""A running search as `scaler watch` sees it."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from experiments.cli.watch_view import duration, view
from experiments.report.snapshot import Snapshot, read_snapshot
from scaler.errors import ScalerError
from scaler.json_files import read_json, write_sealed
from scaler.results.frontier import FrontierInfo
from scaler.trials.storage import worker_name
from tests.command_line import ENV
from tests.experiments.report.fake_ledger import fake_info, write_run
from tests.experiments.report.fake_study import MINUTE, failed, finished, running, write_study


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A search of 30 candidates with 6 in its ledger, one alive, one of a dead worker, one failed."""
    path = write_run(tmp_path / "a-run", fake_info(6, finished=False))
    set_request(path, trials=30, seed_model="big_seed")
    now = datetime.now()
    trials = [finished(i, now - (7 - i) * 10 * MINUTE) for i in range(6)]
    others = [failed(6, now, "the loss is not finite"), running(7, now - 3 * MINUTE, worker_name(os.getppid()))]
    write_study(path, [*trials, *others, running(8, now, worker_name(dead_process()))])
    return path


def dead_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def set_request(path: Path, **values: object) -> None:
    asked = read_json(path / "run.json", dict, "") | values
    del asked["digest"]
    write_sealed(path / "run.json", asked)


def frame(found: Snapshot) -> list[str]:
    console = Console(width=80, markup=False, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(view(found))
    return console.export_text().splitlines()


def test_what_is_done_what_runs_and_what_failed(run: Path) -> None:
    found = read_snapshot(run)
    assert (found.finished, found.wanted, found.is_finished) == (7, 30, False)
    assert found.per_hour == pytest.approx(6, rel=0.01)
    assert found.seconds_left == pytest.approx(23 * 600, rel=0.01)
    assert [(one.number, one.is_alive) for one in found.training] == [(7, True), (8, False)]
    assert found.failures == ("trial 6: the loss is not finite",)
    info = fake_info(6, finished=False)
    assert [best.budget for best in found.best] == [budget.text for budget in info.budgets]
    for best, budget in zip(found.best, info.budgets, strict=True):
        assert best.top1 == max(record.top1 for record in info.records if budget.admits(record.quantities))


def test_a_frame_is_80_columns_wide(run: Path) -> None:
    set_request(run, data="folder:/a/long/path/to/the/images/of/a/data/set/that/is/not/short", trials=30)
    lines = frame(read_snapshot(run))
    assert all(len(line.rstrip()) <= 80 for line in lines)
    text = "\n".join(lines)
    for said in ("7 of 30", "6 an hour, 3.8 h left", "1 worker alive", "trial-0007 for 3 min", "trial-0008", "which is gone",
                 "trial 6: the loss is not finite", "flops=5M"):  # fmt: skip
        assert said in text


def test_a_search_without_any_score_or_study_is_shown(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", FrontierInfo(records=fake_info(1, finished=False).records))
    (path / "ledger.csv").unlink()
    set_request(path, trials=4)
    found = read_snapshot(path)
    assert (found.finished, found.best, found.per_hour) == (0, (), None)
    assert "study.db is not there" in found.remark
    assert "no candidate is scored yet" in "\n".join(frame(found))


def test_it_is_finished_when_all_candidates_are_and_the_choices_are_made(run: Path) -> None:
    write_sealed(run / "result.json", {"budgets": [], "importances": {}})
    assert not read_snapshot(run).is_finished, "a search that goes on with more trials"
    set_request(run, trials=7)
    found = read_snapshot(run)
    assert found.is_finished
    assert "frontier/report.html" in "".join(frame(found))


def test_a_storage_that_cannot_be_opened_is_told(run: Path) -> None:
    set_request(run, storage="sqlite:////nonexistent/f.db")
    assert "name it with --storage" in read_snapshot(run).remark
    with pytest.raises(ScalerError, match="cannot be opened"):
        read_snapshot(run, "sqlite:////nonexistent/f.db")


def test_a_folder_that_is_no_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="is not a run"):
        read_snapshot(tmp_path)
    path = write_run(tmp_path / "run", fake_info(1))
    (path / "run.json").unlink()
    with pytest.raises(ScalerError, match="holds no search: give the folder"):
        read_snapshot(path)


@pytest.mark.slow
def test_the_command_prints_one_frame_without_torch_and_changes_nothing(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.iterdir() if path.suffix in (".json", ".csv")}
    code = "import sys; from experiments.cli import app; app(['watch', sys.argv[1]], standalone_mode=False); "
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, env=ENV, check=False)
    assert done.returncode == 0, done.stderr
    assert "7 of 30" in done.stdout
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(("seconds", "text"), [(3, "3 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
