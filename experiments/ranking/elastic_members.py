"""Scores of networks as they are cut out of an elastic seed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from experiments.ranking.readings import Reading
from experiments.ranking.short_trainings import ShortTraining
from scaler.cost.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class ElasticMembers:
    """The top-1 and the loss, with its sign turned, on the held-out images, without training.

    Attributes:
        cut: a training of no updates from the elastic seed's weights.
        flops, seconds: a network's share of the making of the elastic seed.
    """

    cut: ShortTraining
    flops: int
    seconds: float
    names: tuple[str, ...] = ("elastic_top1", "elastic_loss")

    def __call__(self, arch: Architecture) -> Mapping[str, Reading]:
        """Return the reading of each of `names`."""
        found = zip(self.names, self.cut(arch).values(), strict=True)
        return {
            name: replace(reading, flops=reading.flops + self.flops, seconds=reading.seconds + self.seconds)
            for name, reading in found
        }
