"""Checkpoints of a training: written whole or not at all; training resumes from the newest undamaged one."""

import math
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from experiments.runtime.console import say
from experiments.runtime.processes import all_gather, rank, wait_for_everyone, world_size
from experiments.runtime.sharding import full_state, split_optimizer_state, split_state
from experiments.training.metrics_log import MetricsLog
from experiments.training.updater import Updater
from scaler.errors import ScalerError
from scaler.files import write_atomic
from scaler.json_files import set_aside

_KEPT = 2  # checkpoints
_NO_ARCHIVE = (BadZipFile, zlib.error, OSError, EOFError)
_NO_STATE = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, UnpicklingError)

State = dict[str, Any]


@dataclass
class TrainingProgress:
    """The counters of a training.

    An interval is an epoch or a part of one, and ends as a row of metrics.csv.

    Attributes:
        loss_sum: sum of this process's losses in the current interval.
        step: updates done.
        interval_start: updates done before the current interval.
        interval_seconds: wall time of the current interval up to the last check of the loss, over all calls.
        initial_loss: mean loss up to the first check of it; NaN before.
    """

    loss_sum: torch.Tensor
    step: int = 0
    interval_start: int = 0
    interval_seconds: float = 0.0
    initial_loss: float = math.nan

    def start_interval(self) -> None:
        """Start the next interval."""
        self.interval_start, self.interval_seconds = self.step, 0.0
        self.loss_sum = torch.zeros_like(self.loss_sum)


class Checkpoints:
    """The checkpoints in ``folder``, named by the number of updates that they hold; the last two are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """Return the files, the oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, step: int, state: State) -> None:
        """Write the checkpoint after ``step`` updates and delete those before the last two.

        Raises:
            ScalerError: if the disk is full or not writable.
        """
        write_atomic(self.folder / f"checkpoint-{step:09d}.pt", lambda path: _write(path, state))
        for old in self.paths()[:-_KEPT]:
            old.unlink()

    def newest(self) -> State | None:
        """Return the state of the newest checkpoint, on the processor; None if there is no checkpoint.

        Damaged ones are set aside first. All processes must call it.
        """
        if rank() == 0:
            self._set_damaged_aside()
        wait_for_everyone()  # until no process would read a file that is renamed
        paths = self.paths()
        return _read(paths[-1]) if paths else None

    def _set_damaged_aside(self) -> None:
        """Rename damaged checkpoints from the newest on, up to the first that is as it was written."""
        paths = self.paths()
        while paths and (fault := _fault(paths[-1])):
            aside, before = set_aside(paths.pop()), paths[-1].name if paths else "the start"
            say(f"{aside.with_suffix('')} is damaged ({fault}) and was set aside: the training goes on from {before}")


def _write(path: Path, state: State) -> None:
    buffer = BytesIO()  # given a path or a file, torch.save hides the error of a full disk behind one of its own
    torch.save(state, buffer)
    path.write_bytes(buffer.getbuffer())


def _read(path: Path) -> State:
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _fault(path: Path) -> str:
    """Return the fault of a checkpoint in words, or an empty text. PyTorch does not compare the checksums of its archives."""
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            return f"{damaged} does not match its checksum"
        _read(path)
    except (*_NO_ARCHIVE, *_NO_STATE) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]
    return ""


def training_state(updater: Updater, progress: TrainingProgress, log: MetricsLog) -> State:
    """Return the state that a checkpoint holds, its tensors whole. All processes must call it; the first gets the tensors."""
    loss_sums = all_gather(progress.loss_sum.cpu())
    state: State = {"step": progress.step, "threads": torch.get_num_threads()}
    state |= {"model": updater.model.state_dict(), "optimizer": updater.optimizer.state_dict()}
    state |= {"rows": log.rows, "totals": loss_sums, "seconds": progress.interval_seconds}
    state |= {"first": progress.initial_loss, "begun": progress.interval_start}
    state |= {"ema": updater.ema.module.state_dict()} if updater.ema else {}
    state |= {"scaler": updater.accelerator.scaler.state_dict()} if updater.accelerator.scaler else {}
    full: State = full_state(state, keep=rank() == 0)
    return full


def resume(checkpoints: Checkpoints, updater: Updater, progress: TrainingProgress, log: MetricsLog) -> None:
    """Load the newest checkpoint, if there is one.

    Raises:
        ScalerError: if it is damaged or of another run, or the processes do not see the same one.
    """
    state = checkpoints.newest()
    if len(set(all_gather(state["step"] if state else 0))) > 1:
        raise ScalerError(f"the processes see different checkpoints in {checkpoints.folder}: they must share that folder")
    if state is None:
        return
    if world_size() == 1:
        torch.set_num_threads(state.get("threads", torch.get_num_threads()))  # sums depend on it
    try:
        _load_network(state, updater)
        _load_progress(state, progress, log)
    except (RuntimeError, ValueError, LookupError) as error:
        raise _unusable(checkpoints.folder, error) from error


def _load_network(state: State, updater: Updater) -> None:
    updater.model.load_state_dict(split_state(state["model"], updater.model.state_dict()))
    updater.optimizer.load_state_dict(split_optimizer_state(state["optimizer"], updater.optimizer))
    if updater.ema is not None:
        updater.ema.module.load_state_dict(split_state(state["ema"], updater.ema.module.state_dict()))
    if updater.accelerator.scaler is not None:
        updater.accelerator.scaler.load_state_dict(state["scaler"])


def _load_progress(state: State, progress: TrainingProgress, log: MetricsLog) -> None:
    """Load the counters. If the number of processes has changed, each takes the mean of the loss sums."""
    loss_sums = state["totals"]
    loss_sum = loss_sums[rank()] if len(loss_sums) == world_size() else torch.stack(loss_sums).mean()
    progress.loss_sum = loss_sum.to(progress.loss_sum.device)
    progress.step, progress.interval_start = state["step"], state["begun"]
    progress.interval_seconds, progress.initial_loss = state["seconds"], state["first"]
    log.rows = state["rows"]


def _unusable(folder: Path, error: Exception) -> ScalerError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ScalerError(f"the checkpoint in {folder} is damaged or of another run ({reason}): delete it or choose another --out")
