"""Sources of images: memory, files, and data sets that timm opens."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.runtime.progress import meter
from scaler.errors import ScalerError

_CHECKED_MOST = 20_000
# Errors of Pillow for files that are truncated, damaged or no image; RuntimeError comes from its AVIF decoder.
_UNREADABLE = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Arrays:
    """Images held in memory: ``pixels`` of shape (images, height, width), 8-bit grey."""

    pixels: NDArray[np.uint8]
    labels: Indices

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB."""
        return Image.fromarray(self.pixels[index]).convert("RGB")


@dataclass(frozen=True)
class Files:
    """Image files."""

    paths: tuple[str, ...]
    labels: Indices

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB.

        Raises:
            ScalerError: if the file cannot be read.
        """
        try:
            with Image.open(self.paths[index]) as image:
                return image.convert("RGB")
        except _UNREADABLE as error:
            raise ScalerError(f"cannot read the image {self.paths[index]} ({error}): repair or remove it") from error


@dataclass(frozen=True)
class TimmSet:
    """A map-style data set that timm opened: one of torchvision's, or timm's own class over a reader."""

    dataset: Any
    labels: Indices

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
            return image.convert("RGB")
        except _UNREADABLE as error:
            raise ScalerError(f"cannot read image {index} of the data set ({error}): repair or remove it") from error


def check(source: Files) -> None:
    """Decode every file, or 20,000 evenly spread files of a larger set, to find broken ones before work begins.

    Raises:
        ScalerError: if one cannot be read.
    """
    chosen = np.unique(np.linspace(0, len(source.paths) - 1, min(len(source.paths), _CHECKED_MOST)).astype(int))
    with ThreadPoolExecutor() as pool, meter("reading every image once", len(chosen)) as progress:
        for _ in pool.map(source.image, chosen.tolist()):
            progress.advance(1)


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
    return TimmSet(dataset, _labels_of(dataset))


def _labels_of(dataset: Any) -> Indices:
    reader = getattr(dataset, "reader", dataset)
    for labels in (getattr(reader, "targets", None), [label for _, label in getattr(reader, "samples", [])]):
        if labels is not None and len(labels):
            return np.asarray(labels, np.int64)
    return np.asarray([reader[i][1] for i in range(len(reader))], np.int64)
