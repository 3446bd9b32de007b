"""Rungs and the lower resolution of a training: their places, that rungs change nothing, and that all continues exactly."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES
from experiments.runtime.setup import Setup
from experiments.training.evaluation import Evaluation, evaluate_model
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.rungs import RungLog, RungSchedule
from experiments.training.updater import Updater
from models.networks.low_resolution import low_resolution_phase
from models.networks.model_spec import model_spec_of
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.results.score import Metrics

FORMAT = InputFormat(resolution=16, mean=(0.5,) * 3, std=(0.5,) * 3)
CPU = torch.device("cpu")
RECIPE = replace(RECIPES["small"], epochs=2, batch_size=32, warmup_epochs=0, lr=1e-3)
DEIT = replace(SEEDS["deit_1m_patch4_32"], embed_dim=32, num_heads=1, depth=2, resolution=16)
SWIN = replace(
    SEEDS["mini_swin_1m_patch2_32"], embed_dim=16, depths=(2, 2), num_heads=(1, 1), window_size=(4, 4), mlp_ratio=(2.0,) * 2,
    share=(2, 2), resolution=16,
)  # fmt: skip


def job(recipe: Any = RECIPE, **changes: Any) -> Job:
    """Two epochs of 4 updates."""
    data = open_data("digits", train_images=150)
    return Job(data=data, recipe=recipe, input_format=FORMAT, seed=0, device=CPU, **changes)


def holdout(model: torch.nn.Module, resolution: int) -> Evaluation:
    images = open_data("digits", train_images=150).holdout
    return evaluate_model(model, images, replace(FORMAT, resolution=resolution), CPU)


class GoesOn:
    """A trial that is never pruned."""

    def report(self, step: int, top1: float) -> None:
        pass

    def should_prune(self) -> bool:
        return False


def weights(
    folder: Path, arch: Any, work: Job, schedule: RungSchedule | None = None, **arguments: Any
) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    rungs = RungLog(folder / "rungs.json", schedule, work, holdout) if schedule else None
    return train_model(build(arch, **arguments), work, folder, rungs=rungs).state_dict()


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    ("first", "growth", "rungs"),
    [
        (None, 3, {4: 1}),
        (None, 1, {4: 1}),
        (32, 3, {1: 1, 3: 3}),
        (32, 1, {step: step for step in range(1, 8)}),
        (40, 3, {2: 1, 4: 3}),  # at the first update that has seen as many
        (1000, 3, {}),
    ],
)
def test_rungs_grow_from_the_first_and_end_before_the_training(first: int | None, growth: int, rungs: dict[int, int]) -> None:
    schedule = RungSchedule(trial=GoesOn(), first_images=first, growth=growth)
    assert schedule.rungs(job()) == rungs
    assert schedule.end(job()) >= max(rungs.values(), default=1)


@pytest.mark.parametrize(("first", "growth", "rungs"), [(56, 3, {2: 1, 3: 3}), (32, 1, {1: 1, 2: 2, 3: 6, 7: 7})])
def test_no_rung_comes_just_after_the_resolution_rises(first: int, growth: int, rungs: dict[int, int]) -> None:
    """The resolution rises after 3 updates of 32 images; 3 x 56 images are seen by the sixth."""
    assert RungSchedule(trial=GoesOn(), first_images=first, growth=growth).rungs(job(low_resolution=12)) == rungs


class Recorder(GoesOn):
    """Keeps the calls; some of Optuna's pruners decide by NumPy's comparisons."""

    def __init__(self, prune: bool = False) -> None:
        self.calls: list[tuple[int, float] | str] = []
        self.prune = prune

    def report(self, step: int, top1: float) -> None:
        self.calls.append((step, top1))

    def should_prune(self) -> Any:
        self.calls.append("should_prune")
        return np.bool_(self.prune)


def test_decisions_are_kept_and_reported_again_when_the_training_resumes(tmp_path: Path) -> None:
    """Successive halving records a rung only when it is asked for a decision there."""
    metrics, path = Metrics(top1=50.0, top5=90.0, loss=1.5, images=15), tmp_path / "rungs.json"

    def log(trial: Recorder) -> RungLog:
        schedule = RungSchedule(trial=trial, first_images=32)
        return RungLog(path, schedule, job(), lambda model, side: Evaluation(metrics=metrics, seconds=2.0))

    first, second = Recorder(), Recorder(prune=True)
    assert not log(first).should_stop_after(1, torch.nn.Identity())
    resumed = log(second)
    assert first.calls == second.calls == [(1, 50.0), "should_prune"]
    assert not resumed.should_stop_after(1, torch.nn.Identity())
    assert resumed.final_metrics is None
    assert resumed.should_stop_after(2, torch.nn.Identity())
    assert second.calls == [(1, 50.0), "should_prune", (2, 50.0), "should_prune"]
    assert (resumed.final_metrics, resumed.seconds) == (metrics, 4.0)


def test_what_is_learned_from_a_teachers_inside_is_the_same_with_rungs(tmp_path: Path) -> None:
    recipe = replace(RECIPE, distill=1.0, attention=1.0, hidden=0.1)
    for name, setup in (("plain", Setup()), ("few", Setup(checkpoint_activations=True))):
        torch.manual_seed(1)
        work = job(recipe, teacher=Teacher(network=build(DEIT), input_format=FORMAT), setup=setup)
        looked = weights(tmp_path / name / "looked", DEIT, work, RungSchedule(trial=GoesOn(), first_images=32))
        assert same(looked, weights(tmp_path / name / "alone", DEIT, work))


def test_a_distillation_token_learns_on_after_a_rung(tmp_path: Path) -> None:
    import timm

    small = {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 1, "num_heads": 1, "num_classes": 10}
    teacher = Teacher(network=build(DEIT), input_format=FORMAT)
    found = []
    for schedule in (None, RungSchedule(trial=GoesOn())):
        torch.manual_seed(0)
        model = timm.create_model("deit_tiny_distilled_patch16_224", **small)
        folder, work = tmp_path / str(len(found)), job(teacher=teacher)
        rungs = RungLog(folder / "rungs.json", schedule, work, holdout) if schedule else None
        found.append(train_model(model, work, folder, rungs=rungs).state_dict())
    assert same(*found)


@pytest.mark.slow
@pytest.mark.parametrize("arch", [DEIT, SWIN], ids=["deit", "mini_swin"])
@pytest.mark.parametrize("broken", [1, 3, 6])
def test_a_training_at_two_resolutions_continues_exactly(
    arch: Any, broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted within the lower one, at its end and after it; with rungs and without."""
    low = low_resolution_phase(model_spec_of("tiny", arch), 0.75)
    assert low is not None
    work = job(low_resolution=low.resolution, setup=Setup(save_every=0))
    sides, original = [], Updater.step

    def step(updater: Updater, parts: Any, number: int) -> torch.Tensor:
        sides.append(parts[0][0].shape[-1])
        if len(sides) == 8 + broken + 1:
            raise KeyboardInterrupt
        return original(updater, parts, number)

    monkeypatch.setattr(Updater, "step", step)
    whole = weights(tmp_path / "whole", arch, work, **low.arguments)
    assert sides == [12] * 3 + [16] * 5
    schedule = RungSchedule(trial=GoesOn(), first_images=32, growth=3)
    with pytest.raises(KeyboardInterrupt):
        weights(tmp_path / "broken", arch, work, schedule, **low.arguments)
    torch.manual_seed(9)
    assert same(whole, weights(tmp_path / "broken", arch, work, schedule, **low.arguments))


def test_relations_at_two_resolutions_are_refused() -> None:
    with pytest.raises(ScalerError, match=r"--low-resolution 0.5: relations to the teacher are learned at one resolution"):
        replace(RECIPES["mini_swin"], low_resolution=0.5)
