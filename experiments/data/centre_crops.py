"""Centre crops: images as networks are evaluated on them."""

from collections.abc import Iterator, Sequence

import torch

from experiments.data.image_set import ImageSet
from experiments.data.input_format import InputFormat
from experiments.data.loading import load_batches


class _CentreCrops(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Normalized centre crops and labels, by batches of indices."""

    def __init__(self, images: ImageSet, input_format: InputFormat) -> None:
        self.images, self.labels = images, torch.from_numpy(images.labels)
        self.transform = input_format.evaluation_transform()

    def __getitem__(self, indices: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.stack([self.transform(self.images.image(index)) for index in indices]), self.labels[list(indices)]


def centre_crops(
    images: ImageSet, input_format: InputFormat, batch_size: int, workers: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the normalized centre crops of ``images`` and their labels, in order, by batches.

    Raises:
        ScalerError: if an image cannot be read.
    """
    batches = [range(at, min(at + batch_size, len(images))) for at in range(0, len(images), batch_size)]
    return load_batches(_CentreCrops(images, input_format), batches, workers)
