"""`scaler shrink`: what is refused, what a folder keeps, and that a repeated command continues."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import timm
from torch import nn

from experiments.commands.feasible_sets import smaller_set
from experiments.commands.shrink import shrink
from experiments.commands.train import train
from experiments.options.train import ShrinkOptions, TrainOptions
from experiments.report.frontier import write_frontier
from experiments.search import latency, shrink_candidates, shrinking
from experiments.search.latency import read_latency
from models.networks.latency import MeasuredLatency
from models.networks.model_spec import open_model_spec
from scaler.budget import Bound
from scaler.errors import InfeasibleError, ScalerError
from scaler.results.ledger import Ledger
from scaler.results.variant import read_info
from tests.experiments.small_seed import seed_in


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "seed"
    seed_in(folder)
    return folder


def shrunk(seed: Path, out: Path, **more: Any) -> dict[str, Any]:
    return shrink(ShrinkOptions(seed_model=str(seed), **{"budget": "flops=60%", "out": out, **more}))


TUNED: dict[str, Any] = {"data": "digits", "train_images": 60, "epochs": 1}


def test_without_images_the_weights_are_cut_and_the_folder_says_so(seed: Path, tmp_path: Path) -> None:
    found = shrunk(seed, tmp_path / "small")
    spec, info = open_model_spec(str(tmp_path / "small")), read_info(tmp_path / "small")
    assert info is not None
    assert (info.start, info.trained_on.part, info.budget, info.seed_model) == ("inherited", "", "flops=60%", str(seed))
    assert spec.count() == (info.flops, info.params)
    assert Bound(high=0.6 * found["seed"]["flops"]).admits(info.flops)
    assert spec.mean == open_model_spec(str(seed)).mean
    assert found["top1"] == {"seed": None, "after_cut": None, "tuned": None}
    importances = {one["name"]: one["importance"] for one in found["candidates"]}
    assert importances[found["chosen"]] == max(importances.values()) < 0
    with (tmp_path / "small" / "inheritance.csv").open() as handle:
        rows = {row["tensor"]: row for row in csv.DictReader(handle)}
    state = spec.build().state_dict()
    assert list(rows) == list(state)
    assert {row["action"] for row in rows.values()} <= {"kept", "cropped", "resized"}
    assert all(row["shape"] == "x".join(map(str, state[name].shape)) for name, row in rows.items())


@pytest.mark.slow
def test_with_images_the_better_candidate_is_tuned_and_a_repeated_command_goes_on(
    seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "small"
    found = shrunk(seed, out, **TUNED)
    tuned = {one["name"]: one["tuned"] for one in found["candidates"]}
    assert tuned[found["chosen"]] == max(tuned.values())
    assert min(found["top1"].values()) >= 0
    (row,) = Ledger(out / "ledger.csv")
    assert (row.role, row.start, row.split, row.top1, row.recipe) == (
        "chosen",
        "inherited",
        "test",
        found["top1"]["tuned"],
        "shrink",
    )
    info = read_info(out)
    assert info is not None
    assert (info.start, info.trained_on.part) == ("", "all")
    assert timm.create_model(f"local-dir:{out}", pretrained=True).num_classes == 10
    text = (out / "README.md").read_text()
    assert re.search(rf"^scaler shrink {seed} .*--budget flops=60%", text, re.MULTILINE)
    assert f"| teacher | `{seed}` |" in text
    assert write_frontier([out], tmp_path / "frontier")["csv"].exists()
    with monkeypatch.context() as patched:
        patched.setattr(shrink_candidates, "choose", None)
        assert shrunk(seed, out, **TUNED) == found  # read, not made again
        patched.undo()
        patched.setattr(shrinking, "train_variant", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            shrunk(seed, tmp_path / "broken", **TUNED)
    resumed = shrunk(seed, tmp_path / "broken", **TUNED)
    assert (resumed["top1"], resumed["candidates"]) == (found["top1"], found["candidates"])
    weights = [(place / "model.safetensors").read_bytes() for place in (out, tmp_path / "broken")]
    assert weights[0] == weights[1]


def _interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_cut_folder_is_trained_on_and_teaches_nobody_before(
    seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, tuned = tmp_path / "cut", tmp_path / "tuned"
    shrunk(seed, cut)
    with pytest.raises(ScalerError, match="cut has weights that were cut and not trained since: train it first"):
        train(TrainOptions(variant="tiny_vit_1m_32", teacher=str(cut), out=tuned, **TUNED))
    record = train(TrainOptions(variant=str(cut), out=tuned, **TUNED))
    assert "starts from inherited weights; --start random trains it anew" in capsys.readouterr().err
    assert record.start == "inherited"
    info = read_info(tuned)
    assert info is not None
    assert info.start == ""


@pytest.mark.slow
def test_other_classes_are_learned_from_labels_by_a_new_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed_in(tmp_path / "seed", label_names="abcdefghij")
    found = shrunk(tmp_path / "seed", tmp_path / "small", **TUNED)
    said = "has 10 classes and the 10 of digits are others: the head is new and learns from the labels alone"
    assert said in capsys.readouterr().err
    assert found["top1"]["seed"] is None
    assert "2 new" in found["inherited"]


def test_a_bound_on_latency_holds_when_it_is_measured(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that takes 30 % longer than when its prices were learned, and then a hundred times as long."""
    factor = 1.0

    def steady(model: nn.Module, *_: Any, **__: Any) -> MeasuredLatency:
        least = factor * (1e5 + 10 * sum(parameter.numel() for parameter in model.parameters()))
        return MeasuredLatency(least=least, median=least, low=least, high=least, runs=1, machine="steady")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "NETWORKS", 10)
    monkeypatch.setattr(latency, "measure_latency", steady)
    latency.learn_around(str(seed))
    factor = 1.3
    found = shrunk(seed, tmp_path / "small", budget="latency=70%")
    bound = (
        smaller_set(ShrinkOptions(seed_model=str(seed), budget="latency=70%", out=tmp_path), None)[1].budget["latency"].high / 1e6
    )
    assert found["latency"]["predicted_ms"] < found["latency"]["least_ms"] <= bound
    assert read_latency(tmp_path / "small") is not None
    assert all(one["latency"]["least_ms"] <= bound for one in found["candidates"])
    factor = 100.0
    with pytest.raises(
        ScalerError, match=r"none of \d+ candidates meets latency=70% when measured; the nearest takes \S+: widen"
    ):
        shrunk(seed, tmp_path / "slow", budget="latency=70%")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": "flops=10G"}, r"--budget flops=10G: .*seed meets it as it is \(\S+ FLOPs, \S+ parameters\): ask for less"),
        ({"epochs": 3}, "--epochs is for tuning, which takes images: give --data too"),
        ({"seed_model": "tiny_vit_1m_32"}, "tiny_vit_1m_32 has no weights: train it first"),
        ({"seed_model": "resnet10t", "budget": "flops=50%"}, "resnet10t"),
        ({"budget": "flops=1k"}, "no architecture"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_and_writes_nothing(
    seed: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScalerError, match=message) as caught:
        shrink(ShrinkOptions(**{"seed_model": str(seed), "budget": "flops=60%", "out": tmp_path / "x", **changes}))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()
    assert isinstance(caught.value, InfeasibleError) == (changes.get("budget") == "flops=1k")


def test_a_folder_of_another_request_or_of_something_else_is_left_alone(seed: Path, tmp_path: Path) -> None:
    shrunk(seed, tmp_path / "a")
    with pytest.raises(ScalerError, match="holds a shrinking with budget = flops=60%, not flops=50%: choose another --out"):
        shrunk(seed, tmp_path / "a", budget="flops=50%")
    before = (seed / "model.safetensors").read_bytes()
    with pytest.raises(ScalerError, match="seed is there and holds something else: give a new folder for --out"):
        shrunk(seed, seed)
    assert (seed / "model.safetensors").read_bytes() == before
