"""Augmented and mixed images: the same 8-bit pixels for any number of workers, batch size and process, and after a resume."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch

from experiments.data.augmentation import Augmentation
from experiments.data.datasets import batches_of
from experiments.data.epoch_order import EpochOrder
from experiments.data.image_set import ImageSet
from experiments.data.seeding import key, set_generators

_MIXING = -2  # in a pair's key, where the loop's own draws have -1


class BatchRequest(NamedTuple):
    """A batch asked for: of its first ``paired`` indices, neighbours are partners."""

    epoch: int
    indices: list[int]
    paired: int


class AugmentedBatch(NamedTuple):
    """8-bit ``pixels`` (B, 3, R, R); ``fractions`` (B,) of each are of the class ``labels`` (B,), the rest of ``others`` (B,)."""

    pixels: torch.Tensor
    labels: torch.Tensor
    others: torch.Tensor
    fractions: torch.Tensor


class Views(torch.utils.data.Dataset[AugmentedBatch]):
    """The views of ``images`` at ``resolution`` px, a batch at a time; they follow from ``seed``, epoch and index alone."""

    def __init__(self, images: ImageSet, augmentation: Augmentation, seed: int, resolution: int) -> None:
        self.images, self.augmentation, self.seed, self.resolution = images, augmentation, seed, resolution
        self.transform = augmentation.transform(resolution)
        self.labels = torch.from_numpy(images.labels)

    def __getitem__(self, batch_request: BatchRequest) -> AugmentedBatch:
        epoch, indices, paired = batch_request
        pixels = torch.stack([self._view(epoch, index) for index in indices])
        labels = self.labels[[index % len(self.images) for index in indices]]
        others, fractions = labels.clone(), torch.ones(len(labels))
        for at in range(0, paired if self.augmentation.mixes else 0, 2):
            pair = slice(at, at + 2)
            mix = self.augmentation.draw_mix(key(self.seed, _MIXING, epoch, *indices[pair]))
            pixels[pair], others[pair], fractions[pair] = mix(pixels[pair]), labels[pair].flip(0), mix.fraction
        return AugmentedBatch(pixels, labels, others, fractions)

    def _view(self, epoch: int, index: int) -> torch.Tensor:
        set_generators(key(self.seed, epoch, index))
        return self.transform(self.images.image(index % len(self.images)))

    def batches(self, plan: Iterable[BatchRequest], workers: int = 0, *, pin_memory: bool = False) -> Iterator[AugmentedBatch]:
        """The batches of ``plan``, made in this process or by workers.

        Raises:
            ScalerError: an image cannot be read.
        """
        loader: Any = torch.utils.data.DataLoader(self, batch_size=None, sampler=plan, num_workers=workers, pin_memory=pin_memory)
        return batches_of(loader)


def batch_request(order: EpochOrder, epoch: int, places: slice) -> BatchRequest:
    """The batch at ``places`` of an epoch's order; they begin at an even one, that partners are together."""
    return BatchRequest(epoch, order.indices[places].tolist(), max(0, min(places.stop, order.paired) - places.start) // 2 * 2)


def normalised(pixels: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """8-bit ``pixels`` (B, 3, R, R) as a model with this normalisation takes them."""
    centre, width = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (mean, std))
    return pixels.float().div_(255).sub_(centre).div_(width)
