"""Stratified splits and subsets."""

from dataclasses import replace

import numpy as np

from experiments.data.image_set import ImageSet
from scaler.errors import ScalerError


def count_classes(training: ImageSet, test: ImageSet, spec: str) -> int:
    """Return the number of classes: the largest label plus one.

    Raises:
        ScalerError: if the training images show fewer than two classes.
    """
    present = len(np.unique(training.labels))
    if present < 2:
        raise ScalerError(f"{spec} has {present} class in its training images: telling images apart needs at least 2")
    return int(max(training.labels.max(), test.labels.max(initial=0))) + 1


def stratified_split(
    images: ImageSet, fraction: float, rng: np.random.Generator, most: int | None = None
) -> tuple[ImageSet, ImageSet]:
    """Return the images without a stratified random ``fraction`` of them, and that fraction.

    Args:
        most: largest number of images to move, up to rounding in each class.
    """
    fraction = fraction if most is None else min(fraction, most / max(1, len(images)))
    moved = np.zeros(len(images), np.bool_)  # a class of one image stays in the first set
    for label in np.unique(images.labels):
        members = rng.permutation(np.flatnonzero(images.labels == label))
        number = max(1, round(fraction * len(members))) if len(members) > 1 else 0
        moved[members[:number]] = True
    return replace(images, indices=images.indices[~moved]), replace(images, indices=images.indices[moved])


def stratified_subset(images: ImageSet, number: int, spec: str, rng: np.random.Generator) -> ImageSet:
    """Return a random subset of ``number`` images in which every class keeps its proportion.

    Raises:
        ScalerError: if there are fewer images, or ``number`` is less than 2.
    """
    if not 2 <= number <= len(images):
        raise ScalerError(f"--train-images {number}: {spec} has {len(images)} training images; ask for 2 to {len(images)}")
    order = rng.permutation(len(images))
    # The i-th of a class's n images gets the place (i + 0.5) / n: the first places hold each class in proportion.
    labels = images.labels[order]
    place = np.empty(len(order))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return replace(images, indices=np.sort(images.indices[order[np.argsort(place, kind="stable")[:number]]]))
