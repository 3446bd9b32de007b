"""Scores that need no training: costs, and two scores of networks with random weights."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from experiments.data.input_format import InputFormat
from experiments.ranking.readings import TRAINING_PASSES, Reading, mean_and_error
from experiments.ranking.shared_views import SharedCrops
from experiments.ranking.trainings import initial_network
from models.networks.model_spec import model_spec_of
from scaler.cost.architecture import Architecture, cost_of

_DRAWS = 3  # of random weights


@dataclass(frozen=True, kw_only=True)
class Costs:
    """FLOPs, parameters and resolution, which take no computation."""

    names = ("flops", "params", "fewest_params", "resolution")

    def __call__(self, arch: Architecture) -> Mapping[str, Reading]:
        """Return the reading of each of `names`."""
        cost = cost_of(arch)
        values = cost.flops, cost.params, -cost.params, arch.resolution
        return {name: Reading(value=float(value)) for name, value in zip(self.names, values, strict=True)}


@dataclass(frozen=True, kw_only=True)
class ZeroCost:
    """A score of networks with random weights, averaged over three draws of them.

    Attributes:
        score: returns the score of a network, given its input's resolution.
        flops: passes' worth of FLOPs of one score.
    """

    name: str
    score: Callable[[nn.Module, InputFormat], float]
    passes: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores."""
        return (self.name,)

    def __call__(self, arch: Architecture) -> Mapping[str, Reading]:
        """Return the reading of each of `names`."""
        started, spec = time.monotonic(), model_spec_of(self.name, arch)
        values = [self.score(initial_network(spec, seed), InputFormat.of(spec)) for seed in range(_DRAWS)]
        value, error = mean_and_error(values)
        flops = _DRAWS * self.passes * cost_of(arch).flops
        return {self.name: Reading(value=value, uncertainty=error, flops=flops, seconds=time.monotonic() - started)}


def nwot(crops: SharedCrops) -> ZeroCost:
    """Return NASWOT's score: the log-determinant of the kernel of activation patterns on ``crops``.

    Source: Mellor et al., "Neural Architecture Search without Training", ICML 2021. A unit is on where the input of its
    activation function (here GELU) is positive.
    """
    return ZeroCost(name="nwot", score=partial(_nwot, crops), passes=len(crops.images))


def synflow() -> ZeroCost:
    """Return the logarithm of SynFlow's sum over all weights.

    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS 2020.
    """
    return ZeroCost(name="synflow", score=_synflow, passes=TRAINING_PASSES)


@torch.no_grad()
def _nwot(crops: SharedCrops, network: nn.Module, input_format: InputFormat) -> float:
    kernel = torch.zeros(len(crops.images), len(crops.images))

    def add(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        signs = (inputs[0].flatten(1) > 0).float() * 2 - 1
        kernel.add_((signs @ signs.T + signs.shape[1]) / 2)  # units that agree, for each pair of images

    for module in network.modules():
        if isinstance(module, nn.GELU):
            module.register_forward_pre_hook(add)
    network.train()(torch.cat([pixels for pixels, _ in crops.batches(input_format)]))
    return float(torch.linalg.slogdet(kernel.double()).logabsdet)


def _synflow(network: nn.Module, input_format: InputFormat) -> float:
    network.eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    side = input_format.resolution
    output = network(torch.ones(1, 3, side, side, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(output, list(network.parameters()), allow_unused=True)
    pairs = zip(network.parameters(), gradients, strict=True)
    flow = sum((parameter.detach() * gradient).abs().sum() for parameter, gradient in pairs if gradient is not None)
    return float(torch.as_tensor(flow).log())
