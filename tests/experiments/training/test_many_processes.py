"""Several processes on one machine (gloo) against one with the same global batch."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.commands.evaluate import evaluate
from experiments.commands.search import search
from experiments.commands.train import train
from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.options.search import SearchOptions
from experiments.options.train import EvaluateOptions, TrainOptions
from experiments.recipes import RECIPES
from experiments.runtime.setup import Setup
from experiments.training.job import Job
from scaler.errors import ScalerError
from scaler.results.ledger import Record
from tests.command_line import ENV, ROOT

# No batch norm and no stochastic depth: the loss of a batch is then the mean of its parts'.
MODEL, EPOCHS, IMAGES, SIDE = "deit_1m_patch4_32", 2, 256, 16
FORMAT = InputFormat(resolution=8, mean=(0.5,) * 3, std=(0.5,) * 3)


def alone(out: Path, **more: Any) -> tuple[Record, list[float]]:
    common = {"data": "digits", "epochs": EPOCHS, "train_images": IMAGES, "resolution": SIDE}
    score = train(TrainOptions(variant=MODEL, out=out, **common, **more))
    return score, losses(out)


def losses(out: Path) -> list[float]:
    with (out / "metrics.csv").open() as handle:
        return [float(row["loss"]) for row in csv.DictReader(handle)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, list[float]]:
    return alone(tmp_path_factory.mktemp("alone") / "run")


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--shard"]], ids=["a copy each", "sharded"])
def test_two_processes_learn_what_one_does(whole: tuple[Record, list[float]], tmp_path: Path, options: list[str]) -> None:
    words = [
        "train",
        MODEL,
        "--data",
        "digits",
        "--train-images",
        str(IMAGES),
        "--epochs",
        str(EPOCHS),
        "--resolution",
        str(SIDE),
        *options,
    ]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "scaler.launch"]
    environment = ENV | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *launcher, *words, "--out", str(tmp_path / "two"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)
    assert losses(tmp_path / "two") == pytest.approx(whole[1], rel=1e-4)
    assert score["loss"] == pytest.approx(whole[0].loss, rel=1e-3)
    # 359 images: one process scored one more than the other. The same weights, scored by this process alone:
    found = evaluate(EvaluateOptions(variant=str(tmp_path / "two"), data="digits"))
    assert (found["top1"], found["top5"], found["images"]) == (score["top1"], score["top5"], score["images"])
    assert found["loss"] == pytest.approx(score["loss"], rel=1e-6)


@pytest.mark.slow
def test_accumulated_parts_learn_what_a_whole_batch_does(whole: tuple[Record, list[float]], tmp_path: Path) -> None:
    assert alone(tmp_path, accumulate=4)[1] == pytest.approx(whole[1], rel=1e-4)


def job(batch_size: int, **changes: Any) -> Job:
    recipe = replace(RECIPES["small"], batch_size=batch_size)
    data = open_data("digits", train_images=300)
    return Job(data=data, recipe=recipe, input_format=FORMAT, seed=0, device=torch.device("cpu"), **changes)


def test_the_batch_is_the_global_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    found = job(64, setup=Setup(accumulate=2))
    assert (found.batch_size, found.steps_per_epoch) == (64, len(found.data.train) // 64)
    loader = found.loader()
    assert (loader.batch_size, loader.rank, loader.world_size) == (32, 3, 4)
    with pytest.raises(ScalerError, match="a batch of 62 does not split into pairs of images for 4 processes in 1 parts"):
        job(62)


def test_a_search_is_not_launched_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ScalerError, match=r"a search under torchrun \(2 processes\): start `scaler search` by itself"):
        search(SearchOptions(seed_model=MODEL, budget="flops=50%", data="digits", out="unused"))
