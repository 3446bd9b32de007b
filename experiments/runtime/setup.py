"""Where training runs: one process or many, on which device, in which precision. Accelerate knows the machines.

Only its devices, processes and precisions are used: order, augmentation and checkpoints are ours, since they must come out the
same for any number of workers and after a resume.
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
        """What spreads a network over the processes that run.

        Raises:
            ScalerError: ``device`` has not got the precision.
        """
        # One process may train with one precision after another; only a lone one can change its device.
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
        """``model`` on ``device``, its layout and what it keeps for the gradient set; a copy of it if it is to be sharded."""
        model = sharded(model, device) if self.shard else model.to(device)
        if self.channels_last and not self.shard:  # FSDP2 splits contiguous parameters alone
            model = model.to(memory_format=torch.channels_last)
        self.set_activation_checkpointing(model, self.checkpoint_activations)
        return model

    def set_activation_checkpointing(self, model: Any, few: bool) -> None:
        """Switch activation checkpointing on or off."""
        if hasattr(model, "set_grad_checkpointing"):
            model.set_grad_checkpointing(few)
        elif few:
            raise ScalerError(f"--checkpoint-activations: {type(model).__name__} cannot compute activations again; leave it out")


class ForwardOnly(nn.Module):
    """A network as one: what is given to Accelerate, which changes the forward method of what it is given."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> Any:
        return self.model(images)
