"""Evaluation of a network on every image of a set, once."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from experiments.data.centre_crops import centre_crops
from experiments.data.image_set import ImageSet
from experiments.data.input_format import InputFormat
from experiments.runtime.processes import all_gather, rank, world_size
from scaler.results.score import Metrics

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics, and the wall time that it took to measure them."""

    metrics: Metrics
    seconds: float

    @property
    def images_per_s(self) -> float:
        """Images evaluated per second of wall time."""
        return self.metrics.images / self.seconds


def evaluate_model(
    model: nn.Module,
    images: ImageSet,
    input_format: InputFormat,
    device: torch.device,
    *,
    batch_size: int = 256,
    workers: int = 0,
) -> Evaluation:
    """Measure ``model`` in evaluation mode on the centre crops of ``images``; top-5 is among min(5, classes).

    All processes of a launch must call it: each evaluates a part of the images, and all get the same result.

    Raises:
        ScalerError: if an image cannot be read.
    """
    own = replace(images, indices=images.indices[rank() :: world_size()])
    return evaluate_batches(model, centre_crops(own, input_format, batch_size, workers), len(images), device)


def evaluate_batches(model: nn.Module, batches: Iterable[Batch], images: int, device: torch.device) -> Evaluation:
    """Measure ``model`` in evaluation mode on ``batches``, this process's part of ``images`` images; see `evaluate_model`."""
    started, training = time.monotonic(), model.training
    sums = torch.zeros(3, dtype=torch.float64)
    model.to(device).eval()  # in inference mode the parameters would be moved for good, and could not be trained on
    with torch.inference_mode():
        for pixels, labels in batches:
            sums += _summed_scores(model(pixels.to(device)).float().cpu(), labels)
    model.train(training)
    top1, top5, loss = (torch.stack(all_gather(sums)).sum(0) / images).tolist()
    seconds = max(all_gather(time.monotonic() - started))
    metrics = Metrics(top1=100 * top1, top5=100 * top5, loss=loss, images=images)
    return Evaluation(metrics=metrics, seconds=seconds)


def _summed_scores(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the number of labels that are the first choice, the number among the first five, and the summed cross-entropy."""
    hits = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return torch.stack([hits[:, 0].sum(), hits.sum(), F.cross_entropy(logits, labels, reduction="sum")]).double()
