"""The processes of one training and the device of each."""

import os
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from scaler.errors import ScalerError

T = TypeVar("T")


def pick_device() -> torch.device:
    """This process's own: CUDA where there is some, then Apple's, then the processor."""
    device: torch.device = launched_state().device
    return device


def launched_state() -> PartialState:
    """Joins the other processes, where there are some; on processors alone Accelerate does so only if it is told."""
    state = PartialState(cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()))
    if state.num_processes != world_size():
        raise ScalerError(
            f"{world_size()} processes were launched, and {state.device} trains in {state.num_processes}: start one"
        )
    return state


def destroy_process_group() -> None:
    """Parts from the other processes, where there are some; called where all of them end well.

    NCCL asks for it. After an error the others may still wait for this one, which must not wait for them.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def world_size() -> int:
    """How many processes train together, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is."""
    return int(os.environ.get("RANK", "0"))


def all_gather(value: T) -> list[T]:
    """``value`` of every process, in each of them. All must call it."""
    if world_size() == 1:
        return [value]
    launched_state()
    return list(gather_object([value]))
