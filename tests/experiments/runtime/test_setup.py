"""The options of a training's run change its cost, not what it learns; and what goes wrong is said in a line."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES
from experiments.runtime import setup as runtime
from experiments.runtime.setup import Setup
from experiments.training import metrics_log
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from experiments.training.updater import Updater
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.errors import DivergedError, ScalerError, UnknownNameError
from tests.experiments.training.interruption import interrupted_at

FORMAT = InputFormat(resolution=16, mean=(0.5,) * 3, std=(0.5,) * 3)
CPU = torch.device("cpu")
RECIPE = replace(RECIPES["small"], epochs=1, batch_size=32, warmup_epochs=0, lr=1e-3)
PLAIN = replace(SEEDS["deit_1m_patch4_32"], embed_dim=32, num_heads=1, depth=2, resolution=16)


def job(recipe: Any = RECIPE, **changes: Any) -> Job:
    data = open_data("digits", train_images=150)
    return Job(data=data, recipe=recipe, input_format=FORMAT, seed=0, device=CPU, **changes)


def network(arch: Any = PLAIN) -> nn.Module:
    torch.manual_seed(0)
    return build(arch)


def trained(folder: Path, recipe: Any = RECIPE, arch: Any = PLAIN, **changes: Any) -> torch.Tensor:
    """All weights in a row."""
    model = train_model(network(arch), job(recipe, **changes), folder)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setup", "tolerance"),
    [
        (Setup(checkpoint_activations=True), 1e-6),
        (Setup(channels_last=False), 1e-4),
        (Setup(precision="bf16"), 2e-2),
        (Setup(compile=True), 1e-4),
    ],
    ids=["checkpointed", "channels first", "bf16", "compiled"],
)
def test_options_learn_the_same_but_for_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setup: Setup, tolerance: float
) -> None:
    monkeypatch.setattr(runtime, "COMPILER", "aot_eager")  # inductor takes a minute
    plain, other = trained(tmp_path / "a"), trained(tmp_path / "b", setup=setup)
    start = torch.cat([parameter.detach().flatten() for parameter in network().parameters()])
    assert float((plain - other).norm() / (plain - start).norm()) < tolerance * 10
    if setup.precision == "bf16":
        assert not torch.equal(plain, other)


def interrupt(folder: Path, **changes: Any) -> None:
    """Interrupt a training of two epochs in the second."""
    with interrupted_at(5):
        trained(folder, replace(RECIPE, epochs=2), **changes)


def test_bf16_continued_ends_with_the_same_bits_and_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    setup = Setup(precision="bf16")
    whole = trained(tmp_path / "a", replace(RECIPE, epochs=2), setup=setup)
    interrupt(tmp_path / "b", setup=setup)
    assert torch.equal(whole, trained(tmp_path / "b", replace(RECIPE, epochs=2), setup=setup))
    model = train_model(network(), job(setup=setup), tmp_path / "c")
    assert "forward" not in vars(model)
    assert model(torch.zeros(1, 3, 16, 16)).dtype == torch.float32


def test_a_training_goes_on_in_another_memory_layout(tmp_path: Path) -> None:
    """A fused update would take the moments of a convolution's weights in the order of memory, not of their places."""
    first = Setup(channels_last=False)
    whole = trained(tmp_path / "a", replace(RECIPE, epochs=2), setup=first)
    interrupt(tmp_path / "b")
    other = trained(tmp_path / "b", replace(RECIPE, epochs=2), setup=first)
    torch.testing.assert_close(other, whole, atol=1e-5, rtol=0)


def test_relations_are_learned_by_the_loop(tmp_path: Path) -> None:
    recipe = replace(RECIPE, distill=1.0, attention=1.0, hidden=0.1)
    student = replace(SEEDS["mini_deit_1m_patch4_32"], embed_dim=32, num_heads=1, depth=2, resolution=16)
    teacher = Teacher(network=network(), input_format=FORMAT)
    with_relations = trained(tmp_path / "a", recipe, student, teacher=teacher)
    without = trained(tmp_path / "b", replace(recipe, attention=0.0, hidden=0.0), student, teacher=teacher)
    assert not torch.equal(with_relations, without)
    assert not any(module._forward_hooks for module in teacher.network.modules())
    few = trained(tmp_path / "c", recipe, student, teacher=teacher, setup=Setup(checkpoint_activations=True))
    torch.testing.assert_close(few, with_relations, atol=1e-5, rtol=1e-4)


def test_frozen_batch_norms_keep_their_statistics_and_early_layers_learn_less(tmp_path: Path) -> None:
    arch = replace(SEEDS["tiny_vit_1m_32"], embed_dims=(16, 16, 32, 32), depths=(1,) * 4, num_heads=(1, 1, 2, 2), resolution=16)
    recipe = replace(RECIPE, freeze_bn=True, layer_decay=0.1)
    before, after = network(arch), train_model(network(arch), job(recipe), tmp_path)
    statistics = [name for name in before.state_dict() if "running_" in name]
    assert statistics
    assert all(torch.equal(before.state_dict()[name], after.state_dict()[name]) for name in statistics)
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    moved = {name: float((p - q).detach().abs().max()) for (name, p), q in pairs}
    assert moved["patch_embed.conv1.conv.weight"] < 0.1 * moved["head.fc.weight"]


def test_tensorboard_is_written_when_asked(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trained(tmp_path, setup=Setup(tensorboard=True))
    assert list((tmp_path / "tensorboard").glob("events.*"))
    assert (tmp_path / METRICS).exists()


def test_two_rows_of_one_epoch_have_steps_of_their_own_in_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 updates an epoch, the first 3 of 8 are at a lower resolution, and end a row."""
    scalars: list[tuple[str, int]] = []
    writer = SimpleNamespace(add_scalar=lambda name, value, step: scalars.append((name, step)), flush=lambda: None)
    monkeypatch.setattr(metrics_log, "_summary_writer", lambda folder: writer)
    work = job(replace(RECIPE, epochs=2), low_resolution=12, setup=Setup(tensorboard=True))
    train_model(build(PLAIN, dynamic_img_size=True), work, tmp_path)
    assert [step for name, step in scalars if name == "loss"] == [3, 4, 8]


def test_too_little_memory_names_the_batch_and_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(Updater, "step", fails)
    message = (
        "out of memory on cpu with 16 images per forward pass (batch size 32): try --accumulate 4, --precision bf16, --check"
    )
    with pytest.raises(ScalerError, match=re.escape(message)):
        train_model(network(), job(setup=Setup(accumulate=2)), tmp_path)


def test_a_loss_ten_times_that_of_the_beginning_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Updater, "step", lambda updater, parts, step: torch.tensor(2.0 if step < 4 else 100.0))
    message = r"the loss is 100, more than 10 times the initial 9.21, at step 8, in epoch 2, and the last good checkpoint is"
    with pytest.raises(DivergedError, match=message):
        train_model(network(), job(replace(RECIPE, epochs=3)), tmp_path)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown precision 'bf61': did you mean 'bf16'"):
        Setup(precision="bf61")
    with pytest.raises(ScalerError, match="--precision fp16: a processor has none; take bf16, or fp32"):
        Setup(precision="fp16").accelerator(CPU)
    with pytest.raises(ScalerError, match="--checkpoint-activations: Linear cannot compute activations again; leave it out"):
        Setup(checkpoint_activations=True).place(nn.Linear(1, 1), CPU)
