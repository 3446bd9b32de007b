"""The processes that train together, and the device of each."""

import os
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from scaler.errors import ScalerError

T = TypeVar("T")


def pick_device() -> torch.device:
    """Return this process's device: CUDA if there is one, then Apple's, then the processor."""
    device: torch.device = launched_state().device
    return device


def launched_state() -> PartialState:
    """Join the other launched processes, if there are any, and return Accelerate's state.

    Raises:
        ScalerError: if Accelerate finds another number of processes than were launched.
    """
    # On processors alone Accelerate joins other processes only if it is told to stay on the processor.
    state = PartialState(cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()))
    if state.num_processes != world_size():
        raise ScalerError(
            f"{world_size()} processes were launched, and {state.device} trains in {state.num_processes}: start one"
        )
    return state


def wait_for_everyone() -> None:
    """Block until all processes have called this."""
    if world_size() > 1:
        launched_state().wait_for_everyone()


def destroy_process_group() -> None:
    """Leave the process group. Call it after a successful run; NCCL requires it.

    Do not call it after an error: it would wait for the other processes, which may still wait for this one.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def world_size() -> int:
    """Return the number of processes that train together, as torchrun sets it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process among those that train together, as torchrun sets it."""
    return int(os.environ.get("RANK", "0"))


def all_gather(value: T) -> list[T]:
    """Return ``value`` of every process, in the order of their ranks. All processes must call it."""
    if world_size() == 1:
        return [value]
    launched_state()
    return list(gather_object([value]))
