"""`scaler predict`: the classes of images, by name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.data.centre_crops import centre_crops
from experiments.data.datasets import images_in
from experiments.data.image_set import ImageSet
from experiments.data.input_format import InputFormat
from experiments.data.sources import Files
from experiments.options.train import PredictOptions
from experiments.runtime.processes import pick_device
from experiments.runtime.progress import meter
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError

_BATCH = 64


def predict(options: PredictOptions) -> list[dict[str, Any]]:
    """Return the most probable classes of each image, in the order of the arguments; a folder's images by their paths.

    Raises:
        ScalerError: if the variant has no weights or no classes, or an image cannot be read.
    """
    paths = _paths(options.images)
    spec = open_model_spec(options.variant)
    if spec.weights is None:
        raise ScalerError(f"{spec.name} has no weights: train it first (`scaler train {spec.name} --data ... --out DIR`)")
    if not spec.num_classes:
        raise ScalerError(f"{spec.name} has no classes: tune it to some first (`scaler train {spec.name} --data ... --out DIR`)")
    labels = spec.readable_labels
    found: list[dict[str, Any]] = []
    for probabilities in _probabilities(spec, paths, options.loader_workers or 0):
        values, indices = probabilities.topk(min(options.topk, spec.num_classes))
        tops = [{"label": labels[i], "probability": value} for i, value in zip(indices.tolist(), values.tolist(), strict=True)]
        found.append({"file": paths[len(found)], "top": tops})
    return found


def _paths(images: Sequence[Path]) -> list[str]:
    return [path for image in images for path in _files_at(image)]


def _files_at(image: Path) -> list[str]:
    if not image.is_dir():
        if not image.exists():
            raise ScalerError(f"no file {str(image)!r}: give image files, or folders that hold some")
        return [str(image)]
    found = sorted(images_in(image))
    if not found:
        raise ScalerError(f"the folder {image} holds no images: give image files, or folders that hold some")
    return found


@torch.inference_mode()
def _probabilities(spec: ModelSpec, paths: Sequence[str], workers: int) -> Iterator[torch.Tensor]:
    """Yield the probabilities of all classes for each image."""
    images = ImageSet(Files(tuple(paths), np.zeros(len(paths), np.int64)), np.arange(len(paths)))
    device = pick_device()
    network = spec.build().to(device).eval()
    with meter("classifying", len(paths)) as progress:
        for pixels, _ in centre_crops(images, InputFormat.of(spec), _BATCH, workers):
            yield from network(pixels.to(device)).double().softmax(1).cpu()
            progress.advance(len(pixels))
