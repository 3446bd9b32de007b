"""Training batches: an epoch's order cut into steps, augmented, on the device, normalised for the student."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from experiments.data.augmentation import Augmentation
from experiments.data.epoch_order import EpochOrder, epoch_order
from experiments.data.image_set import ImageData
from experiments.data.seeding import Indices
from experiments.data.views import AugmentedBatch, Views, batch_request, normalised
from experiments.logits.input_check import InputCheck
from experiments.logits.store import Store
from experiments.losses.stored_logits import DistillationTarget
from experiments.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class BatchLoader:
    """Batches of ``data``'s training images, or the part of each batch that is for one of ``world`` processes.

    Attributes:
        batch_size: over all processes; even for each of them, so that the partners of a mix are together.
        mean, std: the student's.
        logits: stored answers of a teacher, whose seed and epochs then rule what is drawn.
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
    logits: Store | None = None
    rank: int = 0
    world: int = 1

    @cached_property
    def views(self) -> Views:
        seed = self.logits.manifest.seed if self.logits else self.seed
        return Views(self.data.train, Augmentation.of(self.recipe, self.data.hflip), seed, self.resolution)

    @cached_property
    def check(self) -> InputCheck | None:
        return InputCheck(self.logits, self.views) if self.logits else None

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor | DistillationTarget]]:
        """The batches of an epoch, from number ``start`` on; a last one that is not full is left out.

        Yields:
            Images (B, 3, R, R), normalised, and labels (B,) or, where images are mixed, shares of the classes (B, classes);
            with the teacher's answers where there are some.
        """
        epoch, order, places = self._order(epoch)
        own = self.batch_size // self.world
        steps = range(start, len(order.indices) // self.batch_size)
        spans = [slice(at, at + own) for at in (step * self.batch_size + self.rank * own for step in steps)]
        plan = (batch_request(order, epoch, span) for span in spans)
        made = self.views.batches(plan, self.workers, pin_memory=self.device.type == "cuda")
        for span, seen in zip(spans, made, strict=True):
            images = normalised(seen.pixels.to(self.device, non_blocking=True), self.mean, self.std)
            if self.logits is None or self.check is None:
                yield images, self._hard(seen)
            else:
                self.check(batch_request(order, epoch, span), places[span], seen.pixels)
                yield images, DistillationTarget(self._hard(seen), self.logits.answers(epoch, places[span]))

    def _order(self, epoch: int) -> tuple[int, EpochOrder, Indices]:
        """The epoch that is drawn, the order of its images, and their places in the order that is stored."""
        if self.logits is not None:
            epoch %= self.logits.manifest.epochs
        parts = self.logits.manifest.parts if self.logits else self.data.parts
        order, places = epoch_order(self.views.seed, epoch, parts).only(len(self.data.train))
        if self.recipe.repeats > 1:  # never of stored answers, so that places are not asked for
            order = order.repeated(self.recipe.repeats, len(self.data.train))
        return epoch, order, places

    def _hard(self, seen: AugmentedBatch) -> torch.Tensor:
        """Labels; where images are mixed and the loss asks for more than the teacher, shares of all classes."""
        if not self.views.augmentation.mixes or (self.logits and self.recipe.distill == 1):
            return seen.labels
        classes, smoothing = self.data.num_classes, self.recipe.smoothing
        own, other = F.one_hot(seen.labels, classes), F.one_hot(seen.others, classes)
        return torch.lerp(other.float(), own.float(), seen.fractions[:, None]) * (1 - smoothing) + smoothing / classes
