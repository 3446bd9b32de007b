"""The frontier of runs on disk: files, columns, and what it refuses."""

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.report.frontier import write_frontier
from scaler.errors import DamagedFileError, ScalerError
from scaler.json_files import write_sealed
from scaler.pareto import pareto_set
from scaler.results.frontier import TRIALS
from scaler.results.ledger import COLUMNS
from tests.experiments.report.fake_ledger import BUDGETS, fake_info, write_run


def test_one_run(tmp_path: Path) -> None:
    info = fake_info()
    files = write_frontier([write_run(tmp_path / "run", info)], tmp_path / "out")
    assert {kind: path.name for kind, path in files.items()} == {
        "csv": "frontier.csv", "png": "frontier.png", "svg": "frontier.svg", "params_png": "frontier_params.png",
        "params_svg": "frontier_params.svg", "report": "report.html",
    }  # fmt: skip
    assert all(path.stat().st_size > 1000 for path in files.values())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in files.values())
    assert "≤ 10M" in files["svg"].read_text(encoding="utf-8")


def test_the_table(tmp_path: Path) -> None:
    info = fake_info()
    frame = pd.read_csv(write_frontier([write_run(tmp_path / "run", info)], tmp_path / "out")["csv"])
    assert list(frame.columns) == ["run", *COLUMNS, "on_flops_front", "on_params_front"]
    assert len(frame) == len(info.records)
    assert frame.on_flops_front.dtype == bool
    trials = frame[frame.role == "trial"]
    for cost in ("flops", "params"):
        assert (trials[f"on_{cost}_front"] == pareto_set(trials[cost], trials.top1)).all()
    assert set(trials[trials.on_flops_front].name) == {record.name for record in info.front("flops", TRIALS)}


def test_several_runs_share_one_front(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"run{seed}", fake_info(seed=seed)) for seed in (0, 1)]
    frame = pd.read_csv(write_frontier([*runs, runs[0]], tmp_path / "out")["csv"])
    trials = frame[frame.role == "trial"]
    assert len(trials) == 60
    assert set(frame.run) == {str(run) for run in runs}
    assert (trials.on_flops_front == pareto_set(trials.flops, trials.top1)).all()


def test_trials_alone_and_a_folder_that_keeps_no_request(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", fake_info(1, finished=False))
    (run / "run.json").unlink()
    frame = pd.read_csv(write_frontier([run], run)["csv"])
    assert frame.on_flops_front.tolist() == [True]


def test_an_open_side_of_a_budget_is_null_in_the_request(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", fake_info(3, finished=False))
    asked = json.loads((run / "run.json").read_text()) | {"bounds": [{"text": "flops=3M..", "bounds": {"flops": [3e6, None]}}]}
    del asked["digest"]
    write_sealed(run / "run.json", asked)
    assert "≥ 3M" in write_frontier([run], tmp_path / "out")["svg"].read_text(encoding="utf-8")
    assert BUDGETS[0].text in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"absent is not a run: it holds no ledger.csv; give a folder that"):
        write_frontier([tmp_path / "absent"], tmp_path / "out")
    with pytest.raises(ScalerError, match="no run was given"):
        write_frontier([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(ScalerError, match="empty ledger: no evaluation has finished; run the same"):
        write_frontier([tmp_path], tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("ledger.csv", "role,trial\ntrial,0\n"),
        ("run.json", '{"seed": '),
        ("run.json", "[1]"),
        ("run.json", "[" * 100_000),
        ("run.json", '{"bounds": []}'),
        ("result.json", "{"),
    ],
)
def test_damaged_files(tmp_path: Path, file: str, text: str) -> None:
    run = write_run(tmp_path / "run", fake_info(1, finished=False))
    (run / file).write_text(text)
    with pytest.raises(DamagedFileError, match=rf"run/{file} is damaged \(.+\): restore it"):
        write_frontier([run], tmp_path / "out")


def test_a_request_with_budgets_of_another_form_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", fake_info(1, finished=False))
    write_sealed(run / "run.json", {"bounds": [{"text": "flops=1M"}]})
    with pytest.raises(DamagedFileError, match=r"run/run.json is damaged \(bounds: 'bounds'\): restore it or leave the run out"):
        write_frontier([run], tmp_path / "out")


def test_runs_on_different_data_do_not_compare(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / data, fake_info(3, data=data)) for data in ("digits", "photos")]
    with pytest.raises(ScalerError, match=r"'digits' \(.+\) and on 'photos' \(.+\) do not compare: give runs on the same data"):
        write_frontier(runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
