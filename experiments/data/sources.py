"""Sources of images: memory, files, and data sets that timm opens."""

import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.pixels import bit_depth, to_rgb
from scaler.errors import ScalerError

# Errors of Pillow for files that are truncated, damaged or no image; RuntimeError comes from its AVIF decoder.
_UNREADABLE = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)

Indices = NDArray[np.int64]


class UnreadableImageError(ScalerError):
    """The file ``path`` cannot be read as an image, for ``reason``."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"cannot read the image {path} ({reason}): repair or remove it")
        self.path, self.reason = path, reason


@dataclass(frozen=True)
class Arrays:
    """Images held in memory: ``pixels`` of shape (images, height, width), 8-bit grey."""

    pixels: NDArray[np.uint8]
    labels: Indices
    class_names: tuple[str, ...] = ()

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB."""
        return Image.fromarray(self.pixels[index]).convert("RGB")


@dataclass(frozen=True)
class Files:
    """Image files."""

    paths: tuple[str, ...]
    labels: Indices
    class_names: tuple[str, ...] = ()

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB.

        Raises:
            UnreadableImageError: if the file cannot be read.
        """
        return self.decode(index)[0]

    def decode(self, index: int) -> tuple[Image.Image, int]:
        """Return an image in RGB, and the bit depth of its file; see `bit_depth`.

        Raises:
            UnreadableImageError: if the file cannot be read.
        """
        try:
            with Image.open(self.paths[index]) as image:
                return to_rgb(image), bit_depth(image)
        except _UNREADABLE as error:
            raise UnreadableImageError(self.paths[index], str(error)) from error


@dataclass(frozen=True)
class TimmSet:
    """A map-style data set that timm opened: one of torchvision's, or timm's own class over a reader."""

    dataset: Any
    labels: Indices
    class_names: tuple[str, ...] = ()

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB.

        Raises:
            ScalerError: if the image cannot be read.
        """
        # timm's own data set skips up to 50 broken images in silence; its reader does not.
        reader = getattr(self.dataset, "reader", self.dataset)
        try:
            found = reader[index][0]
            image = found if isinstance(found, Image.Image) else Image.open(found)
            return to_rgb(image)
        except _UNREADABLE as error:
            raise ScalerError(f"cannot read image {index} of the data set ({error}): repair or remove it") from error


def open_timm(name: str, root: str, split: str) -> TimmSet:
    """Return one split of a data set that timm names, read from ``root`` and never from the network.

    Raises:
        ScalerError: if it is not there, or timm or a library that it needs cannot open it.
    """
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")  # read when Hugging Face's library loads
    from timm.data import create_dataset

    try:
        with redirect_stdout(sys.stderr):  # results alone go to stdout
            dataset = create_dataset(name, root=root or None, split=split, download=False)
    except (RuntimeError, OSError, ValueError, AssertionError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise ScalerError(f"timm cannot open {name!r} at {root!r}: {reason}; nothing is downloaded here") from error
    return TimmSet(dataset, _labels_of(dataset), class_names_of(dataset))


def _labels_of(dataset: Any) -> Indices:
    reader = getattr(dataset, "reader", dataset)
    for labels in (getattr(reader, "targets", None), [label for _, label in getattr(reader, "samples", [])]):
        if labels is not None and len(labels):
            return np.asarray(labels, np.int64)
    return np.asarray([reader[i][1] for i in range(len(reader))], np.int64)


def class_names_of(dataset: Any) -> tuple[str, ...]:
    """Return torchvision's ``classes``, of which some are tuples of synonyms, or the names in a reader's ``class_to_idx``."""
    reader = getattr(dataset, "reader", dataset)
    indices = getattr(reader, "class_to_idx", None) or {}
    names = getattr(reader, "classes", None) or sorted(indices, key=indices.__getitem__)
    return tuple(name if isinstance(name, str) else ", ".join(name) for name in names)
