"""The machine side of a training: processes, device and precision, by Accelerate.

Only Accelerate's devices, processes and precisions are used. Order, augmentation and checkpoints are this project's own, since
they must come out the same for any number of workers and after a resume.
"""

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from experiments.options.setup import SetupOptions
from experiments.runtime.processes import world_size
from experiments.runtime.sharding import sharded
from scaler.errors import ScalerError

# By our name, Accelerate's.
_PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
COMPILER = "inductor"  # of torch.compile's backends


@dataclass(frozen=True, kw_only=True)
class Setup(SetupOptions):
    """The options that decide a training's time and memory, applied to devices and networks.

    Raises:
        ScalerError: if ``shard`` is set in a lone process, or a value is out of its range.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard and world_size() == 1:
            raise ScalerError(
                "--shard splits a training among processes, and this is one: start several (torchrun --nproc-per-node N -m "
                "scaler.launch train ...), or leave it out"
            )

    def accelerator(self, device: torch.device) -> Accelerator:
        """Return the Accelerate object that spreads a network over the launched processes.

        Raises:
            ScalerError: if ``device`` does not support the precision.
        """
        # One process may train in several precisions, one after the other; only a single process can change its device.
        AcceleratorState._reset_state(reset_partial_state=world_size() == 1)
        if self.precision == "fp16" and device.type == "cpu":
            raise ScalerError("--precision fp16: a processor has none; take bf16, or fp32, the default")
        return Accelerator(
            mixed_precision=_PRECISIONS[self.precision],
            cpu=device.type == "cpu",
            device_placement=False,
            dynamo_backend=COMPILER if self.compile else "no",
        )

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Return ``model`` on ``device`` with its memory layout and activation checkpointing set; a copy if it is sharded."""
        model = sharded(model, device) if self.shard else model.to(device)
        if self.channels_last and not self.shard:  # FSDP2 splits contiguous parameters alone
            model = model.to(memory_format=torch.channels_last)
        self.set_activation_checkpointing(model, self.checkpoint_activations)
        return model

    def set_activation_checkpointing(self, model: Any, enabled: bool) -> None:
        """Switch activation checkpointing of ``model`` on or off.

        Raises:
            ScalerError: if it is to be switched on and the network has no such switch.
        """
        if hasattr(model, "set_grad_checkpointing"):
            model.set_grad_checkpointing(enabled)
        elif enabled:
            raise ScalerError(f"--checkpoint-activations: {type(model).__name__} cannot compute activations again; leave it out")


class ForwardOnly(nn.Module):
    """A wrapper around a network, for Accelerate, which replaces the forward method of the module that it is given."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> Any:
        return self.model(images)
