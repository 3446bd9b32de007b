"""The frontier of runs on disk: files, columns, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.report.frontier import is_imagenet_1k, write_frontier
from experiments.report.runs import read_run
from models.zoo.published import published
from scaler.errors import DamagedFileError, ScalerError
from scaler.json_files import write_sealed
from scaler.pareto import pareto_set
from scaler.results.frontier import TRIALS, FrontierInfo
from scaler.results.ledger import COLUMNS
from tests.experiments.report.fake_ledger import BUDGETS, SEED, fake_info, write_run
from tests.scaler.results.records import changed


def test_one_run(tmp_path: Path) -> None:
    info = fake_info()
    files = write_frontier([write_run(tmp_path / "run", info)], tmp_path / "out")
    assert {kind: path.name for kind, path in files.items()} == {
        "report": "report.html", "csv": "frontier.csv", "tex": "frontier.tex",
        "png": "frontier.png", "svg": "frontier.svg", "pdf": "frontier.pdf",
        "params_png": "frontier_params.png", "params_svg": "frontier_params.svg", "params_pdf": "frontier_params.pdf",
    }  # fmt: skip
    assert all(path.stat().st_size > 300 for path in files.values())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in files.values())
    table = files["tex"].read_text(encoding="utf-8")
    assert all(f"{record.top1:.2f} (" in table for record in info.of(("chosen", "seed")))
    assert r"seed big\_seed" in table
    assert table.count(r"\\") == 5, "a head, the seed and three budgets"


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


def test_models_that_were_trained_inside_of_a_search_belong_to_it(tmp_path: Path) -> None:
    info = fake_info()
    run = write_run(tmp_path / "run", replace(info, records=info.of(("trial",))))
    for role, folder in (("chosen", "trained"), ("chosen", "elsewhere")):
        write_run(run / folder / "flops-5M", FrontierInfo(records=info.of((role,))[:1]))
    inner = str(run / "trained" / "flops-5M")
    for runs in ([run], [run, run / "trained" / "flops-5M"]):
        frame = pd.read_csv(write_frontier(runs, tmp_path / "out")["csv"])
        assert frame[frame.role == "chosen"].run.tolist() == [inner]


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
    report = write_frontier([run], tmp_path / "out")["report"].read_text(encoding="utf-8")
    assert '"high": null, "label": "\\u2265 3M", "low": 3000000.0' in report
    assert BUDGETS[0].text in report


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
        ("metrics.csv", "epoch,loss\n1,x\n"),
    ],
)
def test_damaged_files(tmp_path: Path, file: str, text: str) -> None:
    run = write_run(tmp_path / "run", fake_info(1, finished=False))
    (run / file).write_text(text)
    with pytest.raises(DamagedFileError, match=rf"run/{file} is damaged \(.+\): restore it"):
        write_frontier([run], tmp_path / "out")


def test_a_ledger_cut_at_a_lines_end_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", fake_info(4, finished=False))
    write_sealed(run / "result.json", {"budgets": [], "importances": {}, "rows": len(read_run(run).records)})
    lines = (run / "ledger.csv").read_text().splitlines(keepends=True)
    (run / "ledger.csv").write_text("".join(lines[:-1]))
    with pytest.raises(DamagedFileError, match=r"ledger.csv is damaged \(it has \d rows, and result.json was written from \d\)"):
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


@pytest.mark.slow
def test_published_models_stand_beside_imagenet_scores_only(tmp_path: Path) -> None:
    imagenet = changed(SEED, data="torch/imagenet", arch='{"num_classes": 1000}', top1=80.0, flops=10**9, params=10**7)
    assert is_imagenet_1k(FrontierInfo(records=(imagenet,)))
    report = write_frontier([write_run(tmp_path / "run", FrontierInfo(records=(imagenet,)))], tmp_path / "out")["report"]
    assert all(model.model in report.read_text(encoding="utf-8") for model in published())
    for other in (SEED, replace(imagenet, arch='{"num_classes": 10}'), replace(imagenet, data="digits")):
        assert not is_imagenet_1k(FrontierInfo(records=(other,)))
