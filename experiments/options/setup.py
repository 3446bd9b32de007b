"""Options of a training run that decide its time and memory, and its result only up to rounding."""

from dataclasses import dataclass

from experiments.options.common import RUNNING
from experiments.options.declare import Options, option

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class SetupOptions(Options):
    """Options of a run: its time and memory."""

    precision: str = option("fp32", help="Precision of the forward pass.", group=RUNNING, choices=lambda: PRECISIONS)
    compile: bool = option(False, help="Compile the network with torch.compile.", group=RUNNING, is_fixed=False)
    channels_last: bool = option(
        True, help="Memory layout of feature maps.", group=RUNNING, flag="--channels-last/--channels-first", is_fixed=False
    )
    checkpoint_activations: bool = option(
        False, help="Recompute activations in the backward pass: less memory, a third more time.", group=RUNNING, is_fixed=False
    )
    accumulate: int = option(
        1, help="Parts that a batch is computed in, one after the other.", group=RUNNING, minimum=1, maximum=10**4, is_fixed=False
    )
    shard: bool = option(False, help="Split the network among the launched processes (FSDP2).", group=RUNNING, is_fixed=False)
    save_every: float = option(
        600.0, help="Seconds between checkpoints within an epoch.", group=RUNNING, minimum=0, maximum=10**9, is_fixed=False
    )
    tensorboard: bool = option(False, help="Write TensorBoard's files too.", group=RUNNING, is_fixed=False)
