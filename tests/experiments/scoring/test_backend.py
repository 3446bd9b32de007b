"""The training backend on real scans: what it keeps, and when it trains anew."""

import csv
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES
from experiments.scoring import backend as backend_module
from experiments.scoring.backend import TrainingBackend, evaluate_spec
from experiments.scoring.score import training_cost
from experiments.training.job import Job
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungSchedule
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.json_files import file_digest
from scaler.results.variant import TrainedOn, VariantInfo, read_info

ARCH = replace(SEEDS["tiny_vit_1m_32"], embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), resolution=24)
NOTE = VariantInfo(family="tiny_vit", arch=ARCH.to_dict(), seed_model="tiny_vit_1m_32", budget="", flops=1, params=2)
RECIPE = replace(RECIPES["proxy"], epochs=1)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows with every training."""
    done: list[str] = []
    original = backend_module.train_model

    def counted(*args: Any, **kwargs: Any) -> Any:
        done.append("trained")
        return original(*args, **kwargs)

    monkeypatch.setattr(backend_module, "train_model", counted)
    return done


def scored(folder: Path, *, seed: int = 0, final: bool = False, teacher: ModelSpec | None = None, recipe: Any = RECIPE) -> Any:
    backend = TrainingBackend(
        open_data("digits", train_images=300), "proxy", recipe, Teacher.of(teacher) if teacher is not None else None
    )
    return backend.score(model_spec_of("tiny", ARCH), NOTE, folder, seed=seed, final=final)


def test_a_finished_score_is_read_back_and_another_request_is_not_mistaken_for_it(tmp_path: Path, trainings: list[str]) -> None:
    first = scored(tmp_path / "a")
    assert scored(tmp_path / "a") == first
    assert len(trainings) == 1
    scored(tmp_path / "a", seed=1)
    scored(tmp_path / "a", recipe=replace(RECIPE, lr=1e-3))
    assert len(trainings) == 3
    assert (first.split, first.metrics.images, first.epochs, first.start) == ("holdout", 30, 1, "random")


@pytest.mark.parametrize("name", ["score.json", "model.safetensors", "scaler.json"])
def test_a_finished_training_with_a_damaged_file_is_made_again(
    tmp_path: Path, trainings: list[str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    first, path, rng = scored(tmp_path), tmp_path / name, random.Random(0)
    whole = path.read_bytes()
    data = bytearray(whole)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    assert scored(tmp_path).metrics == first.metrics
    assert len(trainings) == 2
    assert (tmp_path / f"{name}.damaged").read_bytes() == data
    assert re.search(rf"{name} is damaged \(.+\), and was set aside as {name}.damaged: the mod", capsys.readouterr().err)
    assert (path.read_bytes() == whole) == (name != "score.json")  # which holds the time that it took
    assert scored(tmp_path).metrics == first.metrics
    assert len(trainings) == 2


def test_a_training_whose_weights_are_gone_is_not_finished(
    tmp_path: Path, trainings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    scored(tmp_path)
    assert len(trainings) == 2
    assert (tmp_path / "model.safetensors").exists()
    assert "the file is missing): the model is trained again" in capsys.readouterr().err


def test_a_training_costs_what_its_metrics_say_in_any_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 108 training images, in 6 updates of 16 each epoch; no other process is asked."""
    (tmp_path / METRICS).write_text("epoch,loss,lr,seconds\n0.5,2.0,0.1,1.5\n1.5,1.0,0.1,3.0\n")
    recipe = replace(RECIPE, epochs=3, batch_size=16)
    input_format = InputFormat(resolution=24, mean=(0.5,) * 3, std=(0.5,) * 3)
    job = Job(data=open_data("digits", train_images=120), recipe=recipe, input_format=input_format, seed=0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    cost = training_cost(tmp_path, job, flops=1000, low=None)
    assert (cost.epochs, cost.seconds, cost.flops) == (1.5, 4.5, 9 * 16 * 1000)


def test_all_processes_wait_for_the_weights_before_these_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    original = backend_module.evaluate_spec

    def wait() -> None:
        assert (tmp_path / "model.safetensors").exists()
        events.append("waited")

    def evaluate(*args: Any) -> Any:
        events.append("evaluated")
        return original(*args)

    monkeypatch.setattr(backend_module, "wait_for_everyone", wait)
    monkeypatch.setattr(backend_module, "evaluate_spec", evaluate)
    scored(tmp_path)
    assert events == ["waited", "evaluated"]


def test_final_training_is_scored_on_the_test_images_and_leaves_a_variant(tmp_path: Path) -> None:
    score = scored(tmp_path / "a", final=True)
    assert (score.split, score.metrics.images) == ("test", 359)
    spec = open_model_spec(str(tmp_path / "a"))
    assert spec.arch == ARCH
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "config.json", "metrics.csv", "model.safetensors", "scaler.json", "score.json"
    ]  # fmt: skip
    scored(tmp_path / "b", final=True)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(("final", "part"), [(False, "train"), (True, "all")])
def test_a_variant_knows_its_training_images_and_its_classes(tmp_path: Path, final: bool, part: str) -> None:
    backend = TrainingBackend(open_data("digits", train_images=150, seed=3), "proxy", RECIPE)
    backend.score(model_spec_of("tiny", ARCH), NOTE, tmp_path, seed=7, final=final)
    info = read_info(tmp_path)
    assert info is not None
    assert info.trained_on == TrainedOn(part=part, data="digits", train_images=150, seed=3, holdout_share=0.1)
    assert info.weights == file_digest(tmp_path / "model.safetensors")
    by_timm: Any = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert by_timm.pretrained_cfg["label_names"] == list("0123456789")


def test_a_teacher_changes_what_is_learned(tmp_path: Path, trainings: list[str]) -> None:
    scored(tmp_path / "teacher", final=True)
    alone = scored(tmp_path / "a")
    distilled = scored(tmp_path / "a", teacher=open_model_spec(str(tmp_path / "teacher")))
    assert len(trainings) == 3
    assert alone.metrics.loss != distilled.metrics.loss


class Trial:
    """Keeps the reports; stops the training at rung ``last``, or breaks it off at ``broken``."""

    def __init__(self, last: int = 99, broken: int = 99) -> None:
        self.reports: dict[int, float] = {}
        self.last, self.broken = last, broken

    def report(self, step: int, top1: float) -> None:
        if step == self.broken:
            raise KeyboardInterrupt
        self.reports[step] = top1

    def should_prune(self) -> bool:
        return max(self.reports) == self.last


def watched(folder: Path, trial: Trial, low: float = 1.0, **rungs: int) -> Any:
    recipe = replace(RECIPE, epochs=3, batch_size=16, low_resolution=low)
    backend = TrainingBackend(open_data("digits", train_images=120), "proxy", recipe)
    return backend.score(model_spec_of("tiny", ARCH), NOTE, folder, seed=0, final=False, rungs=RungSchedule(trial=trial, **rungs))


@pytest.mark.slow
def test_a_training_that_is_stopped_cost_only_its_epochs_and_one_that_goes_on_is_the_same(tmp_path: Path) -> None:
    whole, stopped, broken, again = Trial(), Trial(last=2), Trial(broken=2), Trial()
    full = watched(tmp_path / "whole", whole)
    assert (full.epochs, full.pruned, list(whole.reports)) == (3, False, [1, 2, 3])
    early = watched(tmp_path / "stopped", stopped)
    assert (early.epochs, early.pruned) == (2, True)
    assert early.metrics.top1 == stopped.reports[2] == whole.reports[2]
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken)
    resumed = watched(tmp_path / "broken", again)
    assert again.reports == whole.reports
    assert resumed.metrics == full.metrics


def test_a_training_with_damaged_rungs_is_set_aside_and_starts_from_the_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken, again = Trial(), Trial(broken=2), Trial()
    full = watched(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken)
    (path,) = (tmp_path / "broken").rglob("rungs.json")
    path.write_text(path.read_text().replace("top1", "top2"))
    assert watched(tmp_path / "broken", again).metrics == full.metrics
    assert again.reports == whole.reports
    assert re.search(r"rungs.json is damaged \(.+\), and its training was set aside as .*damaged", capsys.readouterr().err)
    assert len(list((tmp_path / "broken").glob("training-*.damaged/rungs.json"))) == 1


@pytest.mark.slow
def test_rungs_come_within_the_first_epoch_and_cost_only_its_images(tmp_path: Path) -> None:
    """Of 108 training images, in 6 updates of 16 each epoch, with rungs after 32, 96 and 288."""
    whole, stopped, broken, again = Trial(), Trial(last=1), Trial(broken=3), Trial()
    full = watched(tmp_path / "whole", whole, first_images=32, growth=3)
    assert (full.epochs, list(whole.reports)) == (3, [1, 3, 9])
    early = watched(tmp_path / "stopped", stopped, first_images=32, growth=3)
    assert (early.epochs, early.pruned) == (2 / 6, True)
    assert early.metrics.top1 == stopped.reports[1] == whole.reports[1]
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken, first_images=32, growth=3)
    resumed = watched(tmp_path / "broken", again, first_images=32, growth=3)
    assert again.reports == whole.reports
    assert resumed.metrics == full.metrics
    assert watched(tmp_path / "epochs", Trial()).metrics == full.metrics  # rungs change nothing


@pytest.mark.slow
def test_a_training_that_begins_at_a_lower_resolution_costs_what_it_saw_and_continues_alike(tmp_path: Path) -> None:
    """The first 6 of 18 updates of 16 images are at 16 of 24 pixels; rungs come after 32 and 96 images."""
    low = cost_of(ARCH.with_values({"resolution": 16})).flops
    whole, stopped, broken, again = Trial(), Trial(last=1), Trial(broken=3), Trial()
    full = watched(tmp_path / "whole", whole, 0.67, first_images=32, growth=3)
    assert full.train_flops == 16 * (6 * low + 12 * NOTE.flops)
    early = watched(tmp_path / "stopped", stopped, 0.67, first_images=32, growth=3)
    assert (early.train_flops, early.epochs, stopped.reports[1]) == (2 * 16 * low, 2 / 6, whole.reports[1])
    with (tmp_path / "whole" / METRICS).open() as handle:
        ends = [round(float(row["epoch"]) * 6) for row in csv.DictReader(handle)]
    assert ends == [2, 6, 12, 18]  # a rung, and three epochs
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken, 0.67, first_images=32, growth=3)
    resumed = watched(tmp_path / "broken", again, 0.67, first_images=32, growth=3)
    assert (again.reports, resumed.metrics, resumed.train_flops) == (whole.reports, full.metrics, full.train_flops)


def test_a_stopped_training_keeps_the_score_that_stopped_it(tmp_path: Path) -> None:
    """At the resolution that it was trained on; once it has reached its own, the weights on disk have that score too."""
    holdout = open_data("digits", train_images=120).holdout
    for first, as_on_disk in ((96, False), (240, True)):
        stopped, folder = Trial(last=1), tmp_path / str(first)
        score = watched(folder, stopped, 0.67, first_images=first)
        found = evaluate_spec(open_model_spec(str(folder)), holdout, torch.device("cpu"))
        assert (score.pruned, score.metrics.top1) == (True, stopped.reports[1])
        assert (found.metrics.loss == pytest.approx(score.metrics.loss, rel=1e-6)) is as_on_disk


def test_the_time_of_a_training_is_estimated_without_a_trace(tmp_path: Path) -> None:
    def backend(epochs: int) -> TrainingBackend:
        return TrainingBackend(open_data("digits", train_images=300), "proxy", replace(RECIPE, epochs=epochs))

    spec = model_spec_of("tiny", ARCH)
    before = torch.get_rng_state(), random.getstate()
    short, long = (backend(epochs).estimate(spec, seed=0, final=False) for epochs in (1, 1000))
    assert 0 < short < 60
    assert long > 50 * short
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert not list(tmp_path.iterdir())
