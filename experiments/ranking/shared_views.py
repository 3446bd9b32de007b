"""Images that are made once for many networks in one process: the views of a store's students, and centre crops."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn

from experiments.data.centre_crops import centre_crops
from experiments.data.image_set import ImageSet
from experiments.data.input_format import InputFormat
from experiments.data.views import AugmentedBatch, BatchRequest, Views
from experiments.training.batches import BatchLoader
from experiments.training.evaluation import Batch, Evaluation, evaluate_batches
from experiments.training.job import Job
from scaler.results.score import Metrics

_BATCH = 250


class KeptViews(Views):
    """Views that keep the batches of the first ``epochs`` epochs, as 8-bit pixels."""

    def __init__(self, views: Views, epochs: int) -> None:
        super().__init__(views.images, views.augmentation, views.seed, views.resolution)
        self.epochs, self._kept = epochs, dict[tuple[int, tuple[int, ...]], AugmentedBatch]()

    def __getitem__(self, request: BatchRequest) -> AugmentedBatch:
        name = request.epoch, tuple(request.indices)
        if name in self._kept:
            return self._kept[name]
        batch = super().__getitem__(request)
        if request.epoch < self.epochs:
            self._kept[name] = batch
        return batch


@dataclass(kw_only=True)
class SharedViews:
    """The views of the first ``epochs`` epochs of one store, by resolution and number of images."""

    epochs: int
    _kept: dict[tuple[int, int], KeptViews] = field(default_factory=dict)

    def keeping(self, views: Views) -> KeptViews:
        """Return views that are those of ``views`` and are kept from one training to the next."""
        return self._kept.setdefault((views.resolution, len(views.images)), KeptViews(views, self.epochs))


@dataclass(frozen=True, kw_only=True)
class SharedLoader(BatchLoader):
    """A loader whose views are those of other trainings too."""

    kept: KeptViews

    @cached_property
    def views(self) -> Views:
        """The views of the training images."""
        return self.kept


@dataclass(frozen=True, kw_only=True)
class SharedJob(Job):
    """A job whose views are kept in ``shared`` for the next job of the same store."""

    shared: SharedViews

    def loader(self, resolution: int | None = None) -> BatchLoader:
        """Return the loader of this process's part of each batch; see `Job.loader`."""
        plain = super().loader(resolution)
        fields = dict(vars(plain))
        return SharedLoader(**fields, kept=self.shared.keeping(plain.views))


@dataclass(kw_only=True)
class SharedCrops:
    """The centre crops of ``images``, by resolution."""

    images: ImageSet
    _kept: dict[int, list[Batch]] = field(default_factory=dict)

    def batches(self, input_format: InputFormat) -> list[Batch]:
        """Return the crops and labels in batches of one size, if it divides the number of images."""
        resolution = input_format.resolution
        if resolution not in self._kept:
            self._kept[resolution] = list(centre_crops(self.images, input_format, batch_size=_BATCH))
        return self._kept[resolution]

    def evaluate(self, model: nn.Module, input_format: InputFormat, device: torch.device) -> Evaluation:
        """Measure ``model``; see `evaluate_model`."""
        return evaluate_batches(model, self.batches(input_format), len(self.images), device)

    def by_batch(self, model: nn.Module, input_format: InputFormat, device: torch.device) -> list[Metrics]:
        """Measure ``model`` on each batch alone."""
        return [evaluate_batches(model, [batch], len(batch[1]), device).metrics for batch in self.batches(input_format)]
