"""Sets of images with their labels, and the three sets of a data set."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol

import numpy as np
from PIL import Image

from experiments.data.sources import Indices

HOLDOUT_SHARE = 0.1  # of the training images, where nothing else is asked for


class Source(Protocol):
    """Access to images by their index, the labels of all images, and the classes' names if they are known."""

    @property
    def labels(self) -> Indices: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def image(self, index: int) -> Image.Image:
        """Return the image with number ``index`` in RGB.

        Raises:
            ScalerError: if it cannot be read; the message names the file.
        """


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
        """Return image ``i`` of the set in RGB; see `Source.image`."""
        return self.source.image(int(self.indices[i]))

    def digest(self) -> str:
        """Return a digest of the images' indices and labels; it does not cover their pixels."""
        return sha256(self.indices.tobytes() + self.labels.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """A data set.

    Attributes:
        holdout: images on which a search compares candidates.
        test: images on which final scores are measured.
        hflip: a mirrored image still shows its class.
        final: ``train`` includes the held-out images, after the others.
        class_names: of the classes by index; empty if the data set has none.
        train_images: number of training images that were asked for, held-out ones included; None for all.
        seed: of the choice of held-out images.
        holdout_share: fraction of the training images that is held out.
        skipped: the reason by the path of each file that could not be read and was left out.
    """

    name: str
    num_classes: int
    train: ImageSet
    holdout: ImageSet
    test: ImageSet
    hflip: bool
    final: bool = False
    class_names: tuple[str, ...] = ()
    train_images: int | None = None
    seed: int = 0
    holdout_share: float = HOLDOUT_SHARE
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[int, ...]:
        """The number of images that are always for training and, in a final training, the number of held-out images."""
        held_out = len(self.holdout)
        return (len(self.train) - held_out, held_out) if self.final else (len(self.train),)

    def for_final_training(self) -> "ImageData":
        """Return the data set with the held-out images added to ``train``."""
        both = np.concatenate([self.train.indices, self.holdout.indices])
        return replace(self, train=replace(self.train, indices=both), final=True)
