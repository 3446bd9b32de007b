"""Tools that others would use to shrink a network to a part of its FLOPs: NVIDIA modelopt and Torch-Pruning."""

import logging
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.measure import peer
from experiments.studies.torch_pruning import prune_to
from scaler.cost.fvcore_count import count

_IMAGES = 8  # of random noise: what is timed does not depend on them, and more would take longer


def require_peers() -> None:
    """Check that they are installed.

    Raises:
        ScalerError: one is not.
    """
    for module, package in (
        ("modelopt.torch.prune", "nvidia-modelopt"), ("torchprofile", "torchprofile"), ("torch_pruning", "torch-pruning")
    ):  # fmt: skip
        peer(module, package)


def modelopt(network: nn.Module, resolution: int, flops: int) -> nn.Module:
    """FastNAS, which ranks by the loss on a batch, and takes one constraint: FLOPs, here as a part of its own count."""
    pruning = peer("modelopt.torch.prune", "nvidia-modelopt")
    images, classes = _batch(resolution)
    share = flops / count(network, resolution, 3).flops
    config = {
        "score_func": lambda model: -float(F.cross_entropy(model.eval()(images), classes)),
        "data_loader": [(images,)], "collect_func": lambda batch: batch[0],
    }  # fmt: skip
    logging.disable()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), torch.no_grad():
        found: nn.Module = pruning.prune(network, "fastnas", {"flops": f"{share:.2%}"}, images[:1], config)[0]
    return found


def torch_pruning(network: nn.Module, resolution: int, flops: int) -> nn.Module:
    """Taylor importance inside isomorphic groups, by the ratio that meets the FLOPs."""
    return prune_to(flops, network, [_batch(resolution)])


Peer = Callable[[nn.Module, int, int], nn.Module]  # of a network, its resolution and the FLOPs to meet
PEERS: dict[str, Peer] = {"modelopt": modelopt, "torch_pruning": torch_pruning}


def _batch(resolution: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(_IMAGES, 3, resolution, resolution, generator=generator), torch.arange(_IMAGES)
