"""Training batches: augmented images on the device, normalized for the student, with their targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

from experiments.data.augmentation import Augmentation
from experiments.data.epoch_order import EpochOrder, epoch_order
from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.data.seeding import Indices
from experiments.data.views import AugmentedBatch, Views, batch_request
from experiments.logits.input_check import InputCheck
from experiments.logits.store import Store
from experiments.losses.stored_logits import DistillationTarget
from experiments.recipes import Recipe

Target = torch.Tensor | DistillationTarget


@dataclass(frozen=True, kw_only=True)
class BatchLoader:
    """Loads batches of training images, or this process's part of each batch.

    Attributes:
        input_format: the student's.
        batch_size: images of a batch over all processes. Each process's part must be even, to keep partners of a mix together.
        store: a teacher's stored logits; their seed and epochs then replace ``seed`` and the training's epochs.
    """

    data: ImageData
    recipe: Recipe
    seed: int
    input_format: InputFormat
    batch_size: int
    device: torch.device
    workers: int = 0
    store: Store | None = None
    rank: int = 0
    world_size: int = 1

    @cached_property
    def views(self) -> Views:
        """The views of the training images."""
        seed = self.store.manifest.seed if self.store else self.seed
        return Views(self.data.train, Augmentation.of(self.recipe, self.data.hflip), seed, self.input_format.resolution)

    @cached_property
    def check(self) -> InputCheck | None:
        """The check of the inputs against the store's, if there is a store."""
        return InputCheck(self.store, self.views) if self.store else None

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, Target]]:
        """Yield the batches of an epoch from number ``start`` on, without a last one that is not full.

        Yields:
            Normalized images (B, 3, R, R) and their target, both on the device: labels (B,), or probabilities of the classes
            (B, C) if images are mixed, with the teacher's logits if there is a store.

        Raises:
            ScalerError: if an image cannot be read, or the inputs are not those that the stored teacher saw.
        """
        epoch, order, places = self._order(epoch)
        spans = self._spans(order, start)
        requests = (batch_request(order, epoch, span) for span in spans)
        views = self.views.batches(requests, self.workers, pin_memory=self.device.type == "cuda")
        for span, batch in zip(spans, views, strict=True):
            images = self.input_format.normalize(batch.pixels.to(self.device, non_blocking=True))
            target: Target = (labels := self._labels(batch))
            if self.store is not None and self.check is not None:
                self.check(batch_request(order, epoch, span), places[span], batch.pixels)
                target = DistillationTarget(labels, self.store.logits(epoch, places[span]))
            yield images, target.to(self.device, non_blocking=True)

    def _order(self, epoch: int) -> tuple[int, EpochOrder, Indices]:
        """Return the epoch to draw, the order of its images, and their places in the stored order."""
        if self.store is not None:
            epoch %= self.store.manifest.epochs
        parts = self.store.manifest.parts if self.store else self.data.parts
        order, places = epoch_order(self.views.seed, epoch, parts).only(len(self.data.train))
        if self.recipe.repeats > 1:  # never with a store, so ``places`` is not used
            order = order.repeated(self.recipe.repeats, len(self.data.train))
        return epoch, order, places

    def _spans(self, order: EpochOrder, start: int) -> list[slice]:
        """Return the places of this process's part of each batch."""
        own = self.batch_size // self.world_size
        firsts = (step * self.batch_size + self.rank * own for step in range(start, len(order.indices) // self.batch_size))
        return [slice(first, first + own) for first in firsts]

    def _labels(self, batch: AugmentedBatch) -> torch.Tensor:
        """Return labels or, if images are mixed and the loss uses more than the teacher's logits, class probabilities."""
        if not self.views.augmentation.mixes or (self.store and self.recipe.distill == 1):
            return batch.labels
        classes, smoothing = self.data.num_classes, self.recipe.smoothing
        own, other = F.one_hot(batch.labels, classes), F.one_hot(batch.others, classes)
        mixed = torch.lerp(other.float(), own.float(), batch.fractions[:, None])
        return mixed * (1 - smoothing) + smoothing / classes
