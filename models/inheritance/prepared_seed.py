"""A seed that is ready to give weights: its structure, and the scores of its units, computed once for all cuts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from models.common.architecture import VisionTransformer
from models.common.multiplexing import aliases
from models.inheritance.bare_network import bare_network
from models.inheritance.correction import Moments, output_moments
from models.inheritance.criteria import CRITERIA, Batch, Criterion, SeedView
from models.inheritance.depth import block_distances, stages_of
from models.inheritance.rule import Rule
from models.inheritance.structure import Structure, structure_of
from scaler.errors import ScalerError


@dataclass(kw_only=True, eq=False)
class PreparedSeed:
    """A trained ``network`` of ``arch``, the ``rule``, and calibration ``batches`` at the seed's resolution."""

    network: nn.Module
    arch: VisionTransformer
    rule: Rule
    batches: Sequence[Batch]
    structure: Structure
    _scores: dict[tuple[int, int, int], torch.Tensor] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The state dict, off the graph."""
        return {name: tensor.detach() for name, tensor in self.network.state_dict().items()}

    @cached_property
    def names(self) -> dict[str, str]:
        """Every name of a tensor, those of shared ones included, with its name in the state dict."""
        return {name: name for name in self.tensors} | aliases(self.network)

    @cached_property
    def criterion(self) -> Criterion:
        return CRITERIA[self.rule.channels](SeedView(network=self.network, structure=self.structure, batches=self.batches))

    @cached_property
    def distances(self) -> dict[str, list[float]]:
        """1 - cos of every block, where the rule asks for it."""
        if self.rule.depth != "similarity":
            return {}
        return block_distances(self.network, stages_of(self.arch), [images for images, _ in self.batches])

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """Of every layer's outputs on the first batch."""
        return output_moments(self.network, self.batches[0][0])

    def scores(self, number: int, keep: int, inside: int = 0) -> torch.Tensor:
        """Scores of a group's units, or of the ``inside`` channels that each of them has."""
        key = (number, keep, inside)
        if key not in self._scores:
            group = self.structure.groups[number]
            self._scores[key] = self.criterion(group.inside(inside) if inside else group, keep)
        return self._scores[key]


def prepare(network: nn.Module, arch: VisionTransformer, rule: Rule, calibration: Iterable[Any] | None = None) -> PreparedSeed:
    """Make ``network``, trained, ready to give its weights by ``rule`` to any number of smaller architectures.

    Args:
        network: of ``arch``; it is put into eval mode, and its weights stay as they are.
        calibration: batches of images (B, channels, H, W), or pairs of images and their classes or class probabilities.

    Raises:
        ScalerError: the network is not of ``arch``, or the rule needs other calibration data.
    """
    batches = [_batch(item, arch.resolution) for item in calibration or ()]
    rule.check_calibration(len(batches))
    if rule.channels == "taylor" and any(targets is None for _, targets in batches):
        raise ScalerError("inheritance by channels = taylor needs classes: give calibration as pairs of images and classes")
    structure = _structure(arch)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if shapes != structure.shapes:
        other = sorted(dict(shapes.items() ^ structure.shapes.items()))
        raise ScalerError(f"the seed's network is not of the architecture given: {', '.join(other[:3])} differ")
    return PreparedSeed(network=network.eval(), arch=arch, rule=rule, batches=batches, structure=structure)


@lru_cache(maxsize=16)
def _structure(arch: VisionTransformer) -> Structure:
    """The structure of the network of ``arch``, of which one is built for the purpose; the last ones are remembered."""
    return structure_of(bare_network(arch), (arch.in_chans, arch.resolution, arch.resolution))


def at_resolution(images: torch.Tensor, resolution: int) -> torch.Tensor:
    """Square images at another side, as they are where it is theirs."""
    if images.shape[-1] == resolution == images.shape[-2]:
        return images
    return F.interpolate(images, size=(resolution, resolution), mode="bilinear", antialias=True)


def _batch(item: Any, resolution: int) -> Batch:
    images, targets = (item, None) if isinstance(item, torch.Tensor) else item
    return at_resolution(images, resolution), targets
