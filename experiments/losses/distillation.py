"""Losses, as timm's training tasks: one batch in, a loss out.

Of a recipe with a teacher: loss = (1 - a) truth + a answer + b attention + c hidden, where ``truth`` is cross-entropy with the
labels, ``answer`` the teacher's (soft, or hard), and the last two are what tokens are to each other inside the teacher.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from accelerate.utils import convert_to_fp32
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.task import ClassificationTask
from timm.task.task import TrainingTask
from torch import nn

from experiments.losses.block_pairs import comparable_blocks
from experiments.losses.relations import attention_relation, hidden_relation
from experiments.recipes import Recipe
from models.networks.intermediates import Intermediates, IntermediatesExtractor


@dataclass(frozen=True, kw_only=True)
class Guide:
    """A teacher and the input that it expects: side in pixels, and mean and std of its normalisation."""

    model: nn.Module
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Distillation(TrainingTask):
    """Cross-entropy with the labels and with a teacher's answer to the same images.

    A student with a distillation token (DeiT's) is told the truth by its class token and the teacher's answer by the other one.

    Args:
        mean, std: of the student's normalisation; the teacher sees the same pixels under its own, resized to its own input.

    Attributes:
        autocast: gives the context of the teacher's forward pass, which sets its precision.
    """

    trainable_module: nn.Module
    student: nn.Module

    def __init__(
        self, student: nn.Module, guide: Guide, recipe: Recipe, mean: tuple[float, ...], std: tuple[float, ...], **kwargs: Any
    ) -> None:
        super().__init__(verbose=False, **kwargs)
        _use_token(student, True)
        self.student = self.trainable_module = student
        self.criterion, self.recipe, self.side = criterion(recipe), recipe, guide.resolution
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        # Not a registered part: the teacher is neither trained nor saved.
        teacher = guide.model.to(self.device).to(memory_format=torch.channels_last)
        self._guide: tuple[nn.Module] = (teacher.eval().requires_grad_(False),)
        self.register_buffer("scale", _channels(std) / _channels(guide.std), persistent=False)
        self.register_buffer("shift", (_channels(mean) - _channels(guide.mean)) / _channels(guide.std), persistent=False)

    def forward(self, images: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """``images`` (B, 3, R, R); ``target`` (B,) labels, or (B, K) shares of classes under mixup."""
        return self._by_answers(self.trainable_module(images), self._teach(images), target)

    def release(self) -> None:
        """Leave student and teacher as they were."""
        _use_token(self.student, False)

    def _by_answers(self, answer: Any, lesson: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        own, taught = answer if isinstance(answer, tuple) else (answer, answer)
        share = self.recipe.distill
        losses = {"truth": (1 - share) * self.criterion(own, target)} if share < 1 else {}
        losses |= {"answer": share * logits_loss(taught, lesson, self.recipe)} if share > 0 else {}
        return {"loss": torch.stack(list(losses.values())).sum(), "output": own, **losses}

    @torch.no_grad()
    def _teach(self, images: torch.Tensor) -> Any:
        seen = images * self.scale + self.shift
        if seen.shape[-1] != self.side:
            seen = F.interpolate(seen, size=(self.side, self.side), mode="bilinear", antialias=True)
        with self.autocast():
            answer = self._guide[0](seen)
        return convert_to_fp32(answer)


class WeightDistillation(Distillation):
    """MiniViT's: beside the teacher's answer, what tokens are to each other in its attention and in what its blocks hand on.

    Args:
        resolution: the student's, in pixels.

    Raises:
        ScalerError: no block of the student sees the windows of one of the teacher's.
    """

    def __init__(self, student: nn.Module, guide: Guide, recipe: Recipe, *args: Any, resolution: int, **kwargs: Any) -> None:
        super().__init__(student, guide, recipe, *args, **kwargs)
        student.to(self.device)
        self.pairs = comparable_blocks(student, self._guide[0], (resolution, guide.resolution))
        ours, theirs = zip(*self.pairs, strict=True)
        self._observed = IntermediatesExtractor(student, ours), IntermediatesExtractor(self._guide[0], theirs)
        self.trainable_module, self._guide = self._observed[0], self._observed[1:]

    def forward(self, images: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        inside: Intermediates = self.trainable_module(images)
        lesson: Intermediates = self._teach(images)
        losses = self._by_answers(inside.output, lesson.output, target)
        weights = self.recipe
        if weights.attention:
            losses["attention"] = weights.attention * attention_relation(inside.qkv, lesson.qkv, weights.relation_heads)
            losses["loss"] = losses["loss"] + losses["attention"]
        if weights.hidden:
            losses["hidden"] = weights.hidden * hidden_relation(inside.hidden, lesson.hidden)
            losses["loss"] = losses["loss"] + losses["hidden"]
        return losses

    def release(self) -> None:
        super().release()
        for observed in self._observed:
            observed.release()


def make_task(
    student: nn.Module, guide: Guide | None, recipe: Recipe, mean: tuple[float, ...], std: tuple[float, ...], resolution: int,
    device: torch.device,
) -> TrainingTask:  # fmt: skip
    """The training task of ``recipe``: with a teacher distillation, without one plain cross-entropy."""
    if guide is None:
        return ClassificationTask(student, criterion(recipe), device=device, verbose=False)
    if recipe.relates:
        return WeightDistillation(student, guide, recipe, mean, std, resolution=resolution, device=device).to(device)
    return Distillation(student, guide, recipe, mean, std, device=device).to(device)


def criterion(recipe: Recipe) -> nn.Module:
    """The loss against the truth: under mixup shares of classes, smoothed already; otherwise labels, smoothed here."""
    if recipe.mixup or recipe.cutmix:
        return SoftTargetCrossEntropy()
    return LabelSmoothingCrossEntropy(recipe.smoothing) if recipe.smoothing else nn.CrossEntropyLoss()


def logits_loss(answer: torch.Tensor, lesson: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Of ``answer`` against the teacher's ``lesson``, logits (B, classes) both.

    Soft: t^2 KL(lesson / t || answer / t), the batch's mean (Hinton et al. 2015). Hard: cross-entropy with the lesson's first
    choice (Touvron et al. 2021).
    """
    if recipe.hard:
        return F.cross_entropy(answer, lesson.argmax(1))
    t = recipe.temperature
    ours, theirs = F.log_softmax(answer / t, dim=1), F.log_softmax(lesson / t, dim=1)
    return t**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def _use_token(student: Any, used: bool) -> None:
    """Whether a student that has a distillation token gives its answer apart from the class token's while it is trained."""
    if hasattr(student, "set_distilled_training"):
        student.set_distilled_training(used)


def _channels(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)
