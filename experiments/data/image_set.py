"""Images by index with their labels, and the splits of a data set."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

import numpy as np
from PIL import Image

from experiments.data.sources import Indices


class Source(Protocol):
    """Images by index, and all labels."""

    @property
    def labels(self) -> Indices: ...

    def image(self, index: int) -> Image.Image:
        """The image in RGB. Raises ScalerError, naming the file, where it cannot be read."""


@dataclass(frozen=True)
class ImageSet:
    """The images of ``source`` at ``indices``."""

    source: Source
    indices: Indices

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> Indices:
        return self.source.labels[self.indices]

    def image(self, i: int) -> Image.Image:
        return self.source.image(int(self.indices[i]))

    def digest(self) -> str:
        """Of which images these are and of their labels, not of their pixels."""
        return sha256(self.indices.tobytes() + self.labels.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """A data set.

    Attributes:
        hflip: whether a mirrored image is still of its class.
        final: whether the held-out images are among those for training, after the others.
    """

    name: str
    num_classes: int
    train: ImageSet
    holdout: ImageSet
    test: ImageSet
    hflip: bool
    final: bool = False

    @property
    def parts(self) -> tuple[int, ...]:
        """How many training images are always for training, and how many are held out but in the final training."""
        held_out = len(self.holdout)
        return (len(self.train) - held_out, held_out) if self.final else (len(self.train),)

    def for_final_training(self) -> "ImageData":
        """The same with the held-out images back among those for training."""
        both = np.concatenate([self.train.indices, self.holdout.indices])
        return replace(self, train=replace(self.train, indices=both), final=True)
