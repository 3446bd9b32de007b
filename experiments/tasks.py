"""Losses, as timm's training tasks: one batch in, a loss out."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.task import ClassificationTask
from timm.task.task import TrainingTask
from torch import nn

from experiments.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Guide:
    """A teacher and the input that it expects: side in pixels, and mean and std of its normalisation."""

    model: nn.Module
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Distillation(TrainingTask):
    """Cross-entropy with the labels and with a teacher's softened answer to the same images.

    loss = (1 - a) CE(student, labels) + a t^2 KL(teacher / t || student / t), a and t from the recipe (Hinton et al. 2015).

    Args:
        mean, std: of the student's normalisation; the teacher sees the same pixels under its own, resized to its own input.
    """

    def __init__(
        self, student: nn.Module, guide: Guide, recipe: Recipe, mean: tuple[float, ...], std: tuple[float, ...], **kwargs: Any
    ) -> None:
        super().__init__(verbose=False, **kwargs)
        self.trainable_module = student
        self.criterion = criterion(recipe)
        self.share, self.temperature, self.side = recipe.distill, recipe.temperature, guide.resolution
        # Not a registered part: the teacher is neither trained nor saved.
        teacher = guide.model.to(self.device).to(memory_format=torch.channels_last)
        self._guide = (teacher.eval().requires_grad_(False),)
        self.register_buffer("scale", _channels(std) / _channels(guide.std), persistent=False)
        self.register_buffer("shift", (_channels(mean) - _channels(guide.mean)) / _channels(guide.std), persistent=False)

    def forward(self, images: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """``images`` (B, 3, R, R); ``target`` (B,) labels, or (B, K) shares of classes under mixup."""
        output = self.trainable_module(images)
        hard = self.criterion(output, target)
        soft = F.kl_div(
            F.log_softmax(output / self.temperature, dim=1),
            F.log_softmax(self._teach(images) / self.temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        return {"loss": (1 - self.share) * hard + self.share * self.temperature**2 * soft, "output": output}

    @torch.no_grad()
    def _teach(self, images: torch.Tensor) -> torch.Tensor:
        seen = images * self.scale + self.shift
        if seen.shape[-1] != self.side:
            seen = F.interpolate(seen, size=(self.side, self.side), mode="bilinear", antialias=True)
        answer: torch.Tensor = self._guide[0](seen)
        return answer


def make_task(
    student: nn.Module, guide: Guide | None, recipe: Recipe, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> TrainingTask:
    """The training task of ``recipe``: with a teacher distillation, without one plain cross-entropy."""
    if guide is None:
        return ClassificationTask(student, criterion(recipe), device=device, verbose=False)
    return Distillation(student, guide, recipe, mean, std, device=device).to(device)


def criterion(recipe: Recipe) -> nn.Module:
    """The loss against the truth: under mixup shares of classes, smoothed already; otherwise labels, smoothed here."""
    if recipe.mixup or recipe.cutmix:
        return SoftTargetCrossEntropy()
    return LabelSmoothingCrossEntropy(recipe.smoothing) if recipe.smoothing else nn.CrossEntropyLoss()


def _channels(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)
