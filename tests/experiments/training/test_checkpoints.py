"""Training that is killed anywhere ends, continued, with the bits of training that was not."""

import json
import os
import random
import re
import signal
import time
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.runtime.setup import Setup
from experiments.training.checkpoints import Checkpoints
from experiments.training.evaluation import Evaluation, evaluate_model
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.rungs import RungLog, RungSchedule
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from tests.experiments.training.test_rungs import GoesOn

CPU = torch.device("cpu")
FORMAT = InputFormat(resolution=16, mean=(0.5,) * 3, std=(0.5,) * 3)
TINY = replace(SEEDS["tiny_vit_1m_32"], embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), resolution=16)
RECIPE = replace(RECIPES["small"], epochs=2, batch_size=16, ema_decay=0.9, drop_path=0.1, mixup=0.8)
STEPS = 32
NAME = "checkpoint-000000002.pt"


def work(folder: Path, with_rungs: bool) -> None:
    """Two epochs of 16 steps with stochastic depth, averaged weights, mixing and two workers; a checkpoint after every step.

    The first epoch is at a lower resolution; rungs come after 48 images and three and nine times as many.
    """
    os.setsid()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    job = Job(
        data=open_data("digits", train_images=300), recipe=RECIPE, input_format=FORMAT, seed=0,
        low_resolution=12, device=CPU, workers=2, setup=Setup(save_every=0),
    )  # fmt: skip
    schedule = RungSchedule(trial=GoesOn(), first_images=48, growth=3)
    rungs = RungLog(folder / "rungs.json", schedule, job, partial(holdout, job)) if with_rungs else None
    try:
        model = train_model(build(TINY, drop_path_rate=RECIPE.drop_path), job, folder, rungs=rungs)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    torch.save(model.state_dict(), folder / "weights.pt")


def holdout(job: Job, model: nn.Module, resolution: int) -> Evaluation:
    return evaluate_model(model, job.data.holdout, replace(FORMAT, resolution=resolution), CPU)


def started(folder: Path, with_rungs: bool = True) -> ForkProcess:
    """A process of its own, forked, since importing PyTorch takes longer than the training."""
    process = get_context("fork").Process(target=work, args=(folder, with_rungs))
    process.start()
    return process


def ended(process: ForkProcess) -> int | None:
    process.join(timeout=120)
    return process.exitcode


def wait_for(step: int, folder: Path, process: ForkProcess) -> None:
    """Until there is a checkpoint of ``step`` or a later one, or the process has ended."""
    name = f"checkpoint-{step:09d}.pt"
    while process.is_alive() and not any(path.name >= name for path in Checkpoints(folder).paths()):
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("whole")
    assert ended(started(folder, with_rungs=False)) == 0
    return weights(folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "weights.pt", weights_only=True)


@pytest.mark.slow
def test_killed_at_random_points_it_ends_with_the_same_bits(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    rng = random.Random(0)
    for reached in sorted(rng.sample(range(1, STEPS - 1), 3)):
        process = started(tmp_path)
        wait_for(reached, tmp_path, process)
        time.sleep(rng.random() * 0.1)  # anywhere in a step or in the writing of a checkpoint
        os.killpg(process.pid or 0, signal.SIGKILL)
        assert ended(process) == -signal.SIGKILL
    assert ended(started(tmp_path)) == 0
    found = weights(tmp_path)
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    assert len(Checkpoints(tmp_path).paths()) == 2
    assert list(json.loads((tmp_path / "rungs.json").read_text())) == ["1", "3", "9", "digest"]


def test_sigterm_saves_and_ends(tmp_path: Path) -> None:
    process = started(tmp_path)
    wait_for(3, tmp_path, process)
    os.kill(process.pid or 0, signal.SIGTERM)
    assert ended(process) == 130
    assert not (tmp_path / "weights.pt").exists()
    assert Checkpoints(tmp_path).newest()


def test_the_last_two_are_kept_and_a_torn_one_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.newest() is None
    for step in (9, 10, 100):
        checkpoints.save(step, {"step": step})
    assert [path.name for path in checkpoints.paths()] == ["checkpoint-000000010.pt", "checkpoint-000000100.pt"]
    checkpoints.paths()[-1].write_bytes(checkpoints.paths()[-1].read_bytes()[:50])
    assert checkpoints.newest() == {"step": 10}
    said = capsys.readouterr().err
    assert re.search(r"100\.pt is damaged \(.+\) and was set aside: the training goes on from checkpoint-000000010\.pt\n", said)
    checkpoints.paths()[0].write_bytes(b"torn")
    assert checkpoints.newest() is None
    assert "the training goes on from the start" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-000000010.pt.damaged", "checkpoint-000000100.pt.damaged"
    ]  # fmt: skip


def test_a_flipped_bit_of_a_checkpoint_is_found_or_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PyTorch itself loads a state of other numbers."""
    checkpoints, rng = Checkpoints(tmp_path), random.Random(0)
    state = {"step": 2, "model": {"weight": torch.arange(500.0)}}
    for _ in range(60):
        for path in tmp_path.iterdir():
            path.unlink()
        checkpoints.save(1, {"step": 1})
        checkpoints.save(2, state)
        data = bytearray(checkpoints.paths()[-1].read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        checkpoints.paths()[-1].write_bytes(data)
        found = checkpoints.newest()
        assert found is not None
        if found["step"] == 2:
            assert torch.equal(found["model"]["weight"], state["model"]["weight"])
        assert (found["step"] == 1) == ("is damaged" in capsys.readouterr().err) == (tmp_path / f"{NAME}.damaged").exists()


def test_a_full_disk_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full refuses every byte, as a full disk does."""
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode, **more: original(Path("/dev/full"), *mode, **more))
    with pytest.raises(ScalerError, match=rf"cannot use .*/{NAME} \(No space left on device\): make room, and the same command"):
        Checkpoints(tmp_path).save(2, {"model": {"weight": torch.arange(50_000.0)}})
    assert list(tmp_path.iterdir()) == []


def test_a_crash_in_the_middle_of_a_save_leaves_the_last_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"step": 1})

    def breaks(state: object, file: BinaryIO) -> None:
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", breaks)
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(2, {"step": 2})
    assert checkpoints.newest() == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001.pt"]
