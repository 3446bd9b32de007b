"""Views: augmented and mixed images, with the same 8-bit pixels for any number of workers and processes and any batch size."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch

from experiments.data.augmentation import Augmentation
from experiments.data.epoch_order import EpochOrder
from experiments.data.image_set import ImageSet
from experiments.data.loading import load_batches
from experiments.data.seeding import key, set_generators

_MIXING = -2  # in a pair's key, at the place where the training's own draws have -1


class BatchRequest(NamedTuple):
    """A request for a batch.

    Attributes:
        indices: of the views; index modulo the number of images is the image's.
        paired: number of indices at the beginning of which neighbours are partners.
    """

    epoch: int
    indices: list[int]
    paired: int


class AugmentedBatch(NamedTuple):
    """A batch of views.

    Attributes:
        pixels: (B, 3, R, R), 8-bit.
        labels: (B,), of the images.
        others: (B,), labels of their partners.
        fractions: (B,), how much of each view belongs to the class ``labels``; the rest belongs to ``others``.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    others: torch.Tensor
    fractions: torch.Tensor


class Views(torch.utils.data.Dataset[AugmentedBatch]):
    """The views of ``images`` at ``resolution`` pixels, by batches; they depend on ``seed``, epoch and index alone."""

    def __init__(self, images: ImageSet, augmentation: Augmentation, seed: int, resolution: int) -> None:
        self.images, self.augmentation, self.seed, self.resolution = images, augmentation, seed, resolution
        self.transform = augmentation.transform(resolution)
        self.labels = torch.from_numpy(images.labels)

    def __getitem__(self, request: BatchRequest) -> AugmentedBatch:
        epoch, indices, paired = request
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

    def batches(
        self, requests: Iterable[BatchRequest], workers: int = 0, *, pin_memory: bool = False
    ) -> Iterator[AugmentedBatch]:
        """Yield the requested batches, made in this process or by ``workers`` others.

        Raises:
            ScalerError: if an image cannot be read.
        """
        return load_batches(self, requests, workers, pin_memory=pin_memory)


def batch_request(order: EpochOrder, epoch: int, places: slice) -> BatchRequest:
    """Return the request for the batch at ``places`` of an epoch's order, from an even place on, to keep partners together."""
    return BatchRequest(epoch, order.indices[places].tolist(), max(0, min(places.stop, order.paired) - places.start) // 2 * 2)
