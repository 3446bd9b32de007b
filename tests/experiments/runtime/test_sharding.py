"""Sharded training is the training that it shards, and either goes on from the other's checkpoint."""

import os
import socket
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import PartialState
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES
from experiments.runtime.processes import destroy_process_group, pick_device, rank
from experiments.runtime.setup import Setup
from experiments.runtime.sharding import _units
from experiments.training.checkpoints import Checkpoints
from experiments.training.job import Job
from experiments.training.loop import train_model
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from tests.experiments.training.interruption import interrupted_at

FORMAT = InputFormat(resolution=16, mean=(0.5,) * 3, std=(0.5,) * 3)
SMALL = {"embed_dim": 32, "num_heads": 1, "resolution": 16}
STUDENT = replace(SEEDS["mini_deit_1m_patch4_32"], depth=4, **SMALL)
TEACHER = replace(SEEDS["deit_1m_patch4_32"], depth=2, **SMALL)
RECIPE = replace(
    RECIPES["small"], epochs=2, batch_size=48, warmup_epochs=0, lr=1e-3, ema_decay=0.5, clip_grad=0.05, distill=0.5, attention=0.1
)
STEPS, INTERRUPTED = 10, 7


def work(folder: Path, setup: Setup, *, interrupt: bool) -> nn.Module | None:
    """Two epochs of relations learned with a gradient that is always clipped, and averaged; interrupted in the second."""
    torch.manual_seed(0)
    student, teacher = build(STUDENT), Teacher(network=build(TEACHER), input_format=FORMAT)
    data = open_data("digits", train_images=300)
    job = Job(data=data, recipe=RECIPE, input_format=FORMAT, seed=0, teacher=teacher, device=pick_device(), setup=setup)
    with interrupted_at(INTERRUPTED) if interrupt else nullcontext():
        return train_model(student, job, folder)


def one_of_two(number: int, port: int, folder: Path, interrupt: bool) -> None:
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": ""}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    PartialState._reset_state()
    torch.set_num_threads(1)
    model = work(folder, Setup(shard=True), interrupt=interrupt)
    if model is not None:
        torch.save(model.state_dict(), folder / f"weights-{rank()}.pt")
    destroy_process_group()


def sharded_in_two(folder: Path, *, interrupt: bool = False) -> None:
    """Processes forked from one that has imported PyTorch, which takes longer than the training, and not yet trained."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["experiments.training.loop"])
    with socket.create_server(("localhost", 0)) as found:
        port = found.getsockname()[1]
    both = [context.Process(target=one_of_two, args=(number, port, folder, interrupt), daemon=True) for number in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=60)
    assert [process.exitcode for process in both] == [0, 0]


def same(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    assert {type(value) for value in found.values()} == {torch.Tensor}
    torch.testing.assert_close(dict(found), dict(expected), atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights that one process keeps, and its last checkpoint."""
    folder = tmp_path_factory.mktemp("alone")
    weights = work(folder, Setup(), interrupt=False).state_dict()
    state = Checkpoints(folder).newest()
    assert state is not None
    assert state["step"] == STEPS
    return weights, state


@pytest.mark.slow
def test_one_goes_on_alone_from_what_two_shards_began(alone: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    sharded_in_two(tmp_path, interrupt=True)
    same(work(tmp_path, Setup(), interrupt=False).state_dict(), alone[0])


@pytest.mark.slow
def test_two_shards_go_on_from_what_one_began(alone: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    work(tmp_path, Setup(), interrupt=True)
    sharded_in_two(tmp_path)
    for number in range(2):
        same(torch.load(tmp_path / f"weights-{number}.pt"), alone[0])
    state = Checkpoints(tmp_path).newest()
    assert state is not None
    same(state["model"], alone[1]["model"])
    same(state["ema"], alone[1]["ema"])
    for number, moments in state["optimizer"]["state"].items():
        same(moments, alone[1]["optimizer"]["state"][number])


def test_blocks_that_share_weights_are_kept_together() -> None:
    assert [len(unit) for unit in _units(build(STUDENT))] == [2, 2]
    assert [len(unit) for unit in _units(build(TEACHER))] == [1, 1]


def test_one_process_has_none_to_share_with() -> None:
    with pytest.raises(
        ScalerError, match=r"--shard splits a training among processes, and this is one: start several \(torchrun"
    ):
        Setup(shard=True)
