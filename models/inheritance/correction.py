"""Repairs after a cut, on calibration images: the scale of layers and the statistics of batch norms."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Entries = torch.Tensor | None  # of the seed's output channels, those that were kept; None for all


class Moments(NamedTuple):
    """Of each output channel of a layer: the mean and the mean square over images and tokens."""

    mean: torch.Tensor
    square: torch.Tensor

    def std(self, entries: Entries = None) -> float:
        """The standard deviation over all ``entries`` together."""
        mean, square = (values if entries is None else values[entries] for values in self)
        return float((square.mean() - mean.mean().square()).clamp(min=0).sqrt())


def output_moments(network: nn.Module, images: torch.Tensor) -> dict[str, Moments]:
    """The moments of every linear layer's and convolution's first output, by the name of its weight."""
    found: dict[str, Moments] = {}

    def note(name: str, layer: nn.Module, output: torch.Tensor) -> None:
        found.setdefault(name, _moments(layer, output))

    _watched(network, images, note)
    return found


def correct_std(network: nn.Module, images: torch.Tensor, wanted: Mapping[str, tuple[Moments, Entries]]) -> None:
    """Scale layers, in the order in which they run, so that their outputs have the standard deviation that is ``wanted``.

    Source: Samragh et al. 2023, "Weight subcloning".

    Args:
        wanted: by the name of a layer's weight, the seed's moments and the output channels that were kept.
    """
    done: set[str] = set()  # a shared layer runs more than once

    def scale(name: str, layer: nn.Module, output: torch.Tensor) -> torch.Tensor | None:
        if name not in wanted or name in done:
            return None
        done.add(name)
        now, like = _moments(layer, output).std(), wanted[name][0].std(wanted[name][1])
        factor = like / now if now > 0 and like > 0 else 1.0
        for parameter in layer.parameters():
            parameter.mul_(factor)
        return output * factor

    _watched(network, images, scale)


def renew_batch_norms(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Set the running statistics of all batch norms to their averages over ``batches``; the mode stays as it is."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    training, momenta = network.training, [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # cumulative
    with torch.no_grad():
        for images in batches if norms else ():
            network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(training)


def _watched(
    network: nn.Module, images: torch.Tensor, hook: Callable[[str, nn.Module, torch.Tensor], torch.Tensor | None]
) -> None:
    """Run ``network`` in eval mode, calling ``hook`` with the weight's name, the layer and its output."""
    layers = {f"{name}.weight": module for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)}
    training = network.training
    handles = [
        layer.register_forward_hook(lambda layer, _, output, name=name: hook(name, layer, output))
        for name, layer in layers.items()
    ]
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        for handle in handles:
            handle.remove()
        network.train(training)


def _moments(layer: nn.Module, output: torch.Tensor) -> Moments:
    channels = (output.movedim(1, -1) if isinstance(layer, nn.Conv2d) else output).flatten(0, -2).double()
    return Moments(channels.mean(0), channels.square().mean(0))
