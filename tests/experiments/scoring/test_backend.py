"""The training backend on real scans: what it keeps, and when it trains anew."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.data.datasets import open_data
from experiments.recipes import RECIPES
from experiments.scoring import backend as backend_module
from experiments.scoring.backend import TrainingBackend, evaluate_spec
from experiments.scoring.teacher import Teacher
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungSchedule
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.results.variant import VariantInfo

ARCH = replace(SEEDS["tiny_vit_1m_32"], embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), resolution=24)
NOTE = VariantInfo(family="tiny_vit", arch=ARCH.to_dict(), seed="tiny_vit_1m_32", budget="", flops=1, params=2)
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
    assert (first.split, first.images, first.epochs, first.start) == ("holdout", 30, 1, "random")


def test_final_training_is_scored_on_the_test_images_and_leaves_a_variant(tmp_path: Path) -> None:
    score = scored(tmp_path / "a", final=True)
    assert (score.split, score.images) == ("test", 359)
    spec = open_model_spec(str(tmp_path / "a"))
    assert spec.arch == ARCH
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "config.json", "metrics.csv", "model.safetensors", "scaler.json", "score.json"
    ]  # fmt: skip
    scored(tmp_path / "b", final=True)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]


def test_a_teacher_changes_what_is_learned(tmp_path: Path, trainings: list[str]) -> None:
    scored(tmp_path / "teacher", final=True)
    alone = scored(tmp_path / "a")
    taught = scored(tmp_path / "a", teacher=open_model_spec(str(tmp_path / "teacher")))
    assert len(trainings) == 3
    assert alone.loss != taught.loss


class Watcher:
    """Told the score at each look; stops the training at look ``last``, or breaks it off at ``broken``."""

    def __init__(self, last: int = 99, broken: int = 99) -> None:
        self.told: dict[int, float] = {}
        self.last, self.broken = last, broken

    def __call__(self, place: int, top1: float) -> bool:
        if place == self.broken:
            raise KeyboardInterrupt
        self.told[place] = top1
        return place == self.last


def watched(folder: Path, watcher: Watcher, low: float = 1.0, **rungs: int) -> Any:
    recipe = replace(RECIPE, epochs=3, batch_size=16, low_resolution=low)
    backend = TrainingBackend(open_data("digits", train_images=120), "proxy", recipe)
    return backend.score(
        model_spec_of("tiny", ARCH), NOTE, folder, seed=0, final=False, watch=RungSchedule(stops=watcher, **rungs)
    )


def test_a_training_that_is_stopped_cost_only_its_epochs_and_one_that_goes_on_is_the_same(tmp_path: Path) -> None:
    whole, stopped, broken, again = Watcher(), Watcher(last=2), Watcher(broken=2), Watcher()
    full = watched(tmp_path / "whole", whole)
    assert (full.epochs, full.pruned, list(whole.told)) == (3, False, [1, 2, 3])
    early = watched(tmp_path / "stopped", stopped)
    assert (early.epochs, early.pruned) == (2, True)
    assert early.top1 == stopped.told[2] == whole.told[2]
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken)
    resumed = watched(tmp_path / "broken", again)
    assert again.told == whole.told
    assert (resumed.top1, resumed.loss) == (full.top1, full.loss)


def test_looks_come_within_the_first_epoch_and_cost_only_its_images(tmp_path: Path) -> None:
    """Of 108 training images, in 6 updates of 16 each epoch, looked at after 32, 96 and 288."""
    whole, stopped, broken, again = Watcher(), Watcher(last=1), Watcher(broken=3), Watcher()
    full = watched(tmp_path / "whole", whole, first=32, growth=3)
    assert (full.epochs, list(whole.told)) == (3, [1, 3, 9])
    early = watched(tmp_path / "stopped", stopped, first=32, growth=3)
    assert (early.epochs, early.pruned) == (2 / 6, True)
    assert early.top1 == stopped.told[1] == whole.told[1]
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken, first=32, growth=3)
    resumed = watched(tmp_path / "broken", again, first=32, growth=3)
    assert again.told == whole.told
    assert (resumed.top1, resumed.loss) == (full.top1, full.loss)
    assert watched(tmp_path / "epochs", Watcher()).loss == full.loss  # looks change nothing


def test_a_training_that_begins_at_a_lower_resolution_costs_what_it_saw_and_continues_alike(tmp_path: Path) -> None:
    """The first 6 of 18 updates of 16 images are at 16 of 24 pixels; looks come after 32 and 96 images."""
    low = cost_of(ARCH.with_values({"resolution": 16})).flops
    whole, stopped, broken, again = Watcher(), Watcher(last=1), Watcher(broken=3), Watcher()
    full = watched(tmp_path / "whole", whole, 0.67, first=32, growth=3)
    assert full.train_flops == 16 * (6 * low + 12 * NOTE.flops)
    early = watched(tmp_path / "stopped", stopped, 0.67, first=32, growth=3)
    assert (early.train_flops, early.epochs, stopped.told[1]) == (2 * 16 * low, 2 / 6, whole.told[1])
    with (tmp_path / "whole" / METRICS).open() as handle:
        ends = [round(float(row["epoch"]) * 6) for row in csv.DictReader(handle)]
    assert ends == [2, 6, 12, 18]  # a look, and three epochs
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "broken", broken, 0.67, first=32, growth=3)
    resumed = watched(tmp_path / "broken", again, 0.67, first=32, growth=3)
    assert (again.told, resumed.loss, resumed.train_flops) == (whole.told, full.loss, full.train_flops)


def test_a_stopped_training_keeps_the_score_that_stopped_it(tmp_path: Path) -> None:
    """At the resolution that it was trained on; once it has reached its own, the weights on disk have that score too."""
    holdout = open_data("digits", train_images=120).holdout
    for first, as_on_disk in ((96, False), (240, True)):
        stopped, folder = Watcher(last=1), tmp_path / str(first)
        score = watched(folder, stopped, 0.67, first=first)
        found = evaluate_spec(open_model_spec(str(folder)), holdout, torch.device("cpu"))
        assert (score.pruned, score.top1) == (True, stopped.told[1])
        assert (found.loss == pytest.approx(score.loss, rel=1e-6)) is as_on_disk
