"""The loop on real scans: it learns, it continues exactly, it stops where it must."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES, Recipe
from experiments.training.checkpoints import Checkpoints
from experiments.training.evaluation import evaluate_model
from experiments.training.interval_score import IntervalScore
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from experiments.training.updater import Updater
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.errors import DivergedError, ScalerError
from tests.experiments.training.interruption import interrupted_at

CPU = torch.device("cpu")
FORMAT = InputFormat(resolution=24, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
TINY = replace(SEEDS["tiny_vit_1m_32"], embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), resolution=24)
RECIPE = replace(RECIPES["small"], epochs=4, warmup_epochs=1, ema_decay=0.9, drop_path=0.1)


def job(recipe: Recipe = RECIPE, **changes: Any) -> Job:
    data = open_data("digits", train_images=300)
    return Job(data=data, recipe=recipe, input_format=FORMAT, seed=0, device=CPU, **changes)


def network() -> nn.Module:
    torch.manual_seed(0)
    return build(TINY, drop_path_rate=RECIPE.drop_path)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.slow
@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.8, "cutmix": 1.0, "auto_augment": "rand-m9-mstd0.5-inc1", "reprob": 0.25}])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path, mixing: dict[str, Any]) -> None:
    recipe = replace(RECIPE, **mixing)
    whole = weights(train_model(network(), job(recipe), tmp_path / "whole"))
    with interrupted_at(10):  # in the third of four epochs of four updates
        train_model(network(), job(recipe), tmp_path / "broken")
    torch.manual_seed(123)
    continued = train_model(network(), job(recipe, workers=2), tmp_path / "broken")
    assert same(whole, weights(continued))
    without_time = [[row[k] for k in ("epoch", "loss", "lr")] for row in metrics(tmp_path / "broken")]
    assert without_time == [[row[k] for k in ("epoch", "loss", "lr")] for row in metrics(tmp_path / "whole")]


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / METRICS).open() as handle:
        return list(csv.DictReader(handle))


def test_repeated_augmentation_trains_on_views_of_fewer_images() -> None:
    found = job(replace(RECIPE, repeats=3))
    batches = list(found.loader().batches(0))
    assert found.steps_per_epoch == len(batches) == len(found.data.train) // 6 * 6 // found.batch_size
    images, labels = batches[0]
    assert torch.equal(labels[0:2], labels[2:4])  # two partners, seen again
    assert not torch.equal(images[0], images[2])


def test_training_again_changes_nothing(tmp_path: Path) -> None:
    first = weights(train_model(network(), job(), tmp_path))
    assert same(first, weights(train_model(network(), job(), tmp_path)))


def test_it_leaves_the_callers_generators_alone(tmp_path: Path) -> None:
    model = network()
    torch.manual_seed(5)
    train_model(model, job(replace(RECIPE, epochs=1)), tmp_path)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.slow
def test_it_learns(tmp_path: Path) -> None:
    recipe = replace(RECIPES["small"], epochs=10)
    data = open_data("digits")
    model = train_model(network(), replace(job(recipe), data=data), tmp_path)
    assert evaluate_model(model, data.test, FORMAT, CPU).metrics.top1 > 75


def test_a_teacher_of_another_size_and_normalisation_is_heard(tmp_path: Path) -> None:
    """With the teacher's logits alone in the loss, their constant class is learned, whatever the labels are."""

    class Always7(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert images.shape[1:] == (3, 48, 48)
            assert -1.01 <= float(images.min()) <= float(images.max()) <= 1.01
            logits = torch.zeros(len(images), 10)
            logits[:, 7] = 8.0
            return logits

    input_format = InputFormat(resolution=48, mean=(0.5,) * 3, std=(0.5,) * 3)
    recipe = replace(RECIPES["small"], epochs=6, distill=1.0)
    model = train_model(network(), job(recipe, teacher=Teacher(network=Always7(), input_format=input_format)), tmp_path).eval()
    with torch.no_grad():
        assert (model(torch.randn(16, 3, 24, 24)).argmax(1) == 7).all()


def test_a_loss_that_is_not_finite_stops_and_names_the_step(tmp_path: Path) -> None:
    recipe = replace(RECIPE, lr=1e12, clip_grad=0.0, warmup_epochs=0, opt="sgd")
    with pytest.raises(DivergedError, match=r"the loss is nan at step \d+, .*: lower the recipe's lr or clip its gradient"):
        train_model(network(), job(recipe), tmp_path)


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last update of an epoch shows in no loss of that epoch."""
    original = Updater.step

    def spoil(state: Any, parts: Any, step: int) -> torch.Tensor:
        loss = original(state, parts, step)
        if step == 7:  # the last of the second epoch
            next(state.model.parameters()).data[0] = torch.inf
        return loss

    monkeypatch.setattr(Updater, "step", spoil)
    message = r"weights' norm is inf at step 8, in epoch 2, and the last good checkpoint is .*checkpoint-000000004.pt: lower"
    with pytest.raises(DivergedError, match=message):
        train_model(network(), job(), tmp_path)
    assert [path.name for path in Checkpoints(tmp_path).paths()] == ["checkpoint-000000004.pt"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    train_model(network(), job(replace(RECIPE, epochs=1)), tmp_path)
    with pytest.raises(ScalerError, match="is damaged or of another run"):
        train_model(build(replace(TINY, depths=(1, 2, 1, 1))), job(), tmp_path)


def test_evaluation_counts_every_image_once() -> None:
    data = open_data("digits")

    class Says(nn.Module):
        """Answers 3 always: right for exactly the threes."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(torch.full((len(images),), 3), 10).float() * 9

    for batch_size in (1, 7, 359, 1000):
        found = evaluate_model(Says(), data.test, replace(FORMAT, resolution=8), CPU, batch_size=batch_size).metrics
        assert found.images == 359
        assert found.top1 == pytest.approx(100 * (data.test.labels == 3).mean())


@pytest.mark.slow
def test_scores_at_the_ends_of_epochs_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, epochs=2)
    scored = weights(train_model(network(), job(recipe), tmp_path / "scored"))
    monkeypatch.setattr(IntervalScore, "evaluate", lambda *_: None)
    unscored = weights(train_model(network(), job(recipe), tmp_path / "unscored"))
    assert same(scored, unscored)
    with_score, without = metrics(tmp_path / "scored"), metrics(tmp_path / "unscored")
    assert [row["loss"] for row in with_score] == [row["loss"] for row in without]
    assert [0 <= float(row["top1"]) <= 100 for row in with_score] == [True, True]
    assert [row["top1"] for row in without] == ["nan", "nan"]


@pytest.mark.parametrize(("final", "kind"), [(False, "held-out"), (True, "training")])
def test_few_images_are_scored_and_none_of_them_is_trained_on_while_some_are_held_out(final: bool, kind: str) -> None:
    found = job()
    data = found.data.for_final_training() if final else found.data
    score = IntervalScore(job=replace(found, data=data))
    steps = found.steps_per_epoch
    evaluation = score.evaluate(network(), steps, steps)
    assert evaluation is not None
    assert (score.kind, evaluation.metrics.images) == (kind, steps * found.batch_size // 20)
    images = score._images(12)
    assert len(set(images.indices.tolist())) == 12
    assert set(images.indices.tolist()) <= set((data.train if final else data.holdout).indices.tolist())
    assert score.evaluate(network(), 1, 0) is None
