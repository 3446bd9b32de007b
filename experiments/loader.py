"""Training batches: an epoch's order cut into steps, augmented, on the device, normalised for the student."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from experiments.augmentation import Augmentation
from experiments.data import ImageData
from experiments.recipes import Recipe
from experiments.replay import epoch_order
from experiments.views import Seen, Views, wanted


@dataclass(frozen=True, kw_only=True)
class Loader:
    """Batches of ``data``'s training images, or the part of each batch that is for one of ``world`` processes.

    Attributes:
        batch_size: over all processes; even for each of them, so that the partners of a mix are together.
        mean, std: the student's.
    """

    data: ImageData
    recipe: Recipe
    seed: int
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch_size: int
    device: torch.device
    workers: int = 0
    rank: int = 0
    world: int = 1

    @cached_property
    def views(self) -> Views:
        return Views(self.data.train, Augmentation.of(self.recipe, self.data.hflip), self.seed, self.resolution)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The batches of an epoch, from number ``start`` on; a last one that is not full is left out.

        Yields:
            Images (B, 3, R, R), normalised, and labels (B,) or, where images are mixed, shares of the classes (B, classes).
        """
        order = epoch_order(self.seed, epoch, self.data.parts)
        own = self.batch_size // self.world
        steps = range(start, len(order.indices) // self.batch_size)
        places = [step * self.batch_size + self.rank * own for step in steps]
        plan = [wanted(order, epoch, place, place + own) for place in places]
        for seen in self.views.batches(plan, self.workers, pin_memory=self.device.type == "cuda"):
            yield normalised(seen.pixels.to(self.device, non_blocking=True), self.mean, self.std), self._target(seen)

    def _target(self, seen: Seen) -> torch.Tensor:
        if not self.views.augmentation.mixes:
            return seen.labels
        classes, smoothing = self.data.num_classes, self.recipe.smoothing
        own, other = F.one_hot(seen.labels, classes), F.one_hot(seen.others, classes)
        return torch.lerp(other.float(), own.float(), seen.shares[:, None]) * (1 - smoothing) + smoothing / classes


def normalised(pixels: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """8-bit ``pixels`` (B, 3, R, R) as a model with this normalisation takes them."""
    centre, width = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (mean, std))
    return pixels.float().div_(255).sub_(centre).div_(width)
