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

from experiments.runtime.processes import world_size
from experiments.runtime.sharding import sharded
from scaler.errors import ScalerError, UnknownNameError

# By our name, Accelerate's.
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
COMPILER = "inductor"  # of torch.compile's backends


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a training is run, which decides how long it takes and what memory it needs, not what is learned (but for rounding).

    Attributes:
        precision: fp32, bf16 or fp16: that of the forward pass, by autocast.
        channels_last: the memory layout that convolutions prefer.
        checkpoint_activations: keep few activations and compute the others again for the gradient.
        accumulate: parts of an update's images that are passed through the network one after the other.
        save_every_s: seconds between checkpoints within an epoch.
        tensorboard: write its event files too.
        shard: split parameters, gradients and optimizer state among the processes, instead of a copy of all for each.

    Raises:
        ScalerError: an unknown precision, or one process and ``shard``.
    """

    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = True
    checkpoint_activations: bool = False
    accumulate: int = 1
    save_every_s: float = 600.0
    tensorboard: bool = False
    shard: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
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
            mixed_precision=PRECISIONS[self.precision],
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
