"""Several processes on one machine (gloo) against one with the same global batch."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.test_cli import ENV, ROOT

# No batch norm and no stochastic depth: the loss of a batch is then the mean of its parts'.
COMMAND = ("train", "deit_1m_patch4_32", "--data", "digits", "--train-images", "256", "--epochs", "2", "--resolution", "16")


def launched(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    launcher = (
        ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", "29512"] if processes > 1 else []
    )
    command = [sys.executable, *launcher, "-m", "scaler.launch", *arguments]
    environment = ENV | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=300)


def results(processes: int, out: Path, *more: str) -> tuple[dict[str, Any], list[float]]:
    done = launched(processes, *COMMAND, "--out", str(out), "--json", *more)
    assert done.returncode == 0, done.stderr
    with (out / "metrics.csv").open() as handle:
        return json.loads(done.stdout), [float(row["loss"]) for row in csv.DictReader(handle)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[float]]:
    return results(1, tmp_path_factory.mktemp("alone") / "run")


def test_two_processes_learn_what_one_does(alone: tuple[dict[str, Any], list[float]], tmp_path: Path) -> None:
    score, losses = alone
    two_score, two_losses = results(2, tmp_path / "two")
    assert two_losses == pytest.approx(losses, rel=1e-4)
    assert two_score["images"] == score["images"] == 359
    assert two_score["top1"] == pytest.approx(score["top1"], abs=100 / 359)  # rounding may turn one image
    assert two_score["loss"] == pytest.approx(score["loss"], rel=1e-3)
    # The same weights are scored alike to the sample, whether by one process or by two, of which one scores an image more.
    found = [json.loads(launched(n, "evaluate", str(tmp_path / "two"), "--data", "digits", "--json").stdout) for n in (1, 2)]
    assert found[0]["top1"] == found[1]["top1"] == two_score["top1"]
    assert found[0]["images"] == found[1]["images"] == 359
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-12)


def test_accumulated_parts_learn_what_a_whole_batch_does(alone: tuple[dict[str, Any], list[float]], tmp_path: Path) -> None:
    _, losses = results(1, tmp_path / "parts", "--accumulate", "4")
    assert losses == pytest.approx(alone[1], rel=1e-4)


def test_a_batch_that_does_not_split_and_a_search_are_refused(tmp_path: Path) -> None:
    done = launched(2, *COMMAND, "--out", str(tmp_path / "run"), "--batch-size", "30")
    assert "a batch of 30 does not split into pairs of images for 2 processes in 1 parts: take a multiple of 4" in done.stderr
    assert not list(tmp_path.glob("run/*.safetensors"))
    assert os.environ.get("WORLD_SIZE") is None
