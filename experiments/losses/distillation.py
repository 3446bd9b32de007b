"""Losses as timm's training tasks: a batch of images and its target in, a loss out.

With a teacher the loss is (1 - a) labels + a logits + b attention + c hidden, the weights being the recipe's ``distill``,
``attention`` and ``hidden``: cross-entropy with the labels, divergence from the teacher's logits (soft, or hard), and MiniViT's
relations between tokens.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from accelerate.utils import convert_to_fp32
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.task import ClassificationTask
from timm.task.task import TrainingTask
from torch import nn

from experiments.data.input_format import InputFormat
from experiments.losses.block_pairs import comparable_blocks
from experiments.losses.relations import attention_relation, hidden_relation
from experiments.losses.teacher import Teacher
from experiments.recipes import Recipe
from models.networks.intermediates import Intermediates, IntermediatesExtractor


class Distillation(TrainingTask):
    """Cross-entropy with the labels and with a teacher's logits for the same images.

    In a student with a distillation token (DeiT's) the class token learns the labels and the distillation token the logits.

    Args:
        input_format: the student's. The teacher gets the same pixels in its own format.

    Attributes:
        autocast: returns the context of the teacher's forward pass, which sets its precision.
    """

    trainable_module: nn.Module
    student: nn.Module

    def __init__(self, student: nn.Module, teacher: Teacher, recipe: Recipe, input_format: InputFormat, **kwargs: Any) -> None:
        super().__init__(verbose=False, **kwargs)
        _use_distillation_token(student, True)
        self.student = self.trainable_module = student
        self.criterion, self.recipe = criterion(recipe), recipe
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        network = teacher.network.to(self.device).to(memory_format=torch.channels_last)
        # In a tuple, so that it is no submodule, which would be trained and saved.
        self._teacher: tuple[nn.Module] = (network.eval().requires_grad_(False),)
        self._teacher_resolution = teacher.input_format.resolution
        mean, std = _channels(teacher.input_format.mean), _channels(teacher.input_format.std)
        self.register_buffer("scale", _channels(input_format.std) / std, persistent=False)
        self.register_buffer("shift", (_channels(input_format.mean) - mean) / std, persistent=False)

    def forward(self, images: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the loss, the class token's logits ("output") and the parts of the loss.

        Args:
            images: (B, 3, R, R), normalized for the student.
            target: labels (B,) or, under mixup, probabilities of the classes (B, C).
        """
        return self._losses(self.trainable_module(images), self._ask_teacher(images), target)

    def release(self) -> None:
        """Leave student and teacher as they were given."""
        _use_distillation_token(self.student, False)

    def _losses(self, output: Any, teacher_logits: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        class_logits, distilled_logits = output if isinstance(output, tuple) else (output, output)
        share = self.recipe.distill
        losses = {"labels": (1 - share) * self.criterion(class_logits, target)} if share < 1 else {}
        losses |= {"logits": share * logits_loss(distilled_logits, teacher_logits, self.recipe)} if share > 0 else {}
        return {"loss": torch.stack(list(losses.values())).sum(), "output": class_logits, **losses}

    @torch.no_grad()
    def _ask_teacher(self, images: torch.Tensor) -> Any:
        """Return the teacher's output for the student's images, renormalized and resized."""
        images = images * self.scale + self.shift
        if images.shape[-1] != self._teacher_resolution:
            images = F.interpolate(images, size=(self._teacher_resolution,) * 2, mode="bilinear", antialias=True)
        with self.autocast():
            output = self._teacher[0](images)
        return convert_to_fp32(output)


class WeightDistillation(Distillation):
    """MiniViT's weight distillation: beside the teacher's logits, token relations of its attention and of its blocks' outputs.

    Raises:
        ScalerError: if no block of the student sees the windows of one of the teacher's.
    """

    def __init__(self, student: nn.Module, teacher: Teacher, recipe: Recipe, input_format: InputFormat, **kwargs: Any) -> None:
        super().__init__(student, teacher, recipe, input_format, **kwargs)
        student.to(self.device)
        resolutions = input_format.resolution, teacher.input_format.resolution
        self.pairs = comparable_blocks(student, self._teacher[0], resolutions)
        student_blocks, teacher_blocks = zip(*self.pairs, strict=True)
        self._extractors = (
            IntermediatesExtractor(student, student_blocks),
            IntermediatesExtractor(self._teacher[0], teacher_blocks),
        )
        self.trainable_module, self._teacher = self._extractors[0], self._extractors[1:]

    def forward(self, images: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        ours: Intermediates = self.trainable_module(images)
        theirs: Intermediates = self._ask_teacher(images)
        losses = self._losses(ours.output, theirs.output, target)
        weights = self.recipe
        if weights.attention:
            losses["attention"] = weights.attention * attention_relation(ours.qkv, theirs.qkv, weights.relation_heads)
            losses["loss"] = losses["loss"] + losses["attention"]
        if weights.hidden:
            losses["hidden"] = weights.hidden * hidden_relation(ours.hidden, theirs.hidden)
            losses["loss"] = losses["loss"] + losses["hidden"]
        return losses

    def release(self) -> None:
        super().release()
        for extractor in self._extractors:
            extractor.release()


def make_task(
    student: nn.Module, teacher: Teacher | None, recipe: Recipe, input_format: InputFormat, device: torch.device
) -> TrainingTask:
    """Return the training task of ``recipe``: distillation with a teacher, plain cross-entropy without one.

    Args:
        input_format: the student's.
    """
    if teacher is None:
        return ClassificationTask(student, criterion(recipe), device=device, verbose=False)
    task = WeightDistillation if recipe.relates else Distillation
    return task(student, teacher, recipe, input_format, device=device).to(device)


def criterion(recipe: Recipe) -> nn.Module:
    """Return the loss against the labels. Targets under mixup are smoothed already; plain labels are smoothed by the loss."""
    if recipe.mixup or recipe.cutmix:
        return SoftTargetCrossEntropy()
    return LabelSmoothingCrossEntropy(recipe.smoothing) if recipe.smoothing else nn.CrossEntropyLoss()


def logits_loss(logits: torch.Tensor, teacher_logits: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Return the divergence of ``logits`` from ``teacher_logits``, both (B, C), the mean over the batch.

    Soft: t^2 KL(teacher / t || student / t), t being the temperature (Hinton et al. 2015). Hard: cross-entropy with the teacher's
    most probable class (Touvron et al. 2021).
    """
    if recipe.hard:
        return F.cross_entropy(logits, teacher_logits.argmax(1))
    t = recipe.temperature
    ours, theirs = F.log_softmax(logits / t, dim=1), F.log_softmax(teacher_logits / t, dim=1)
    return t**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def _use_distillation_token(student: Any, enabled: bool) -> None:
    """Have a student with a distillation token return the logits of both tokens in training, or their mean."""
    if hasattr(student, "set_distilled_training"):
        student.set_distilled_training(enabled)


def _channels(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)
