"""Evaluation: every image once, whatever the batch."""

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from timm.data import create_transform
from torch import nn

from experiments.data.datasets import batches_of
from experiments.data.image_set import ImageSet
from experiments.runtime.processes import all_gather, rank, world_size


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """``top1`` and ``top5`` in percent and the mean cross-entropy ``loss`` over ``images`` images; ``seconds`` of wall time."""

    top1: float
    top5: float
    loss: float
    images: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        return self.images / self.seconds


class _Plain(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, images: ImageSet, **transform: object) -> None:
        self.images, self.labels = images, images.labels.tolist()
        self.transform = create_transform(is_training=False, use_prefetcher=False, **transform)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images.image(index)), self.labels[index]

    def __len__(self) -> int:
        return len(self.images)


@torch.inference_mode()
def evaluate_model(
    model: nn.Module,
    images: ImageSet,
    *,
    resolution: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    crop_pct: float,
    interpolation: str = "bicubic",
    device: torch.device,
    batch_size: int = 256,
    workers: int = 0,
) -> Metrics:
    """Score ``model`` in eval mode on the centre crops of ``images``; top-5 is among min(5, classes).

    Where several processes were launched, all call this, each scores its own images, and all return the same.
    """
    began, training = time.monotonic(), model.training
    own = replace(images, indices=images.indices[rank() :: world_size()])
    plain = _Plain(
        own, input_size=(3, resolution, resolution), mean=mean, std=std, crop_pct=crop_pct, interpolation=interpolation
    )
    loader: Any = torch.utils.data.DataLoader(plain, batch_size, num_workers=workers)
    sums = torch.zeros(3, dtype=torch.float64)
    model.to(device).eval()
    for batch, labels in batches_of(loader):
        sums += _scores(model(batch.to(device)).float().cpu(), labels)
    model.train(training)
    top1, top5, loss = (torch.stack(all_gather(sums)).sum(0) / len(images)).tolist()
    seconds = max(all_gather(time.monotonic() - began))
    return Metrics(top1=100 * top1, top5=100 * top5, loss=loss, images=len(images), seconds=seconds)


def _scores(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(right at once, right among five, cross-entropy), each summed over the batch."""
    best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return torch.stack([best[:, 0].sum(), best.sum(), F.cross_entropy(logits, labels, reduction="sum")]).double()
