"""The loss against stored answers, without a dense target."""

from typing import Any, NamedTuple

import torch
from timm.task.task import TrainingTask
from torch import nn

from experiments.logits.sparse_logits import SparseLogits
from experiments.losses.distillation import criterion
from experiments.recipes import Recipe


class DistillationTarget(NamedTuple):
    """A batch's target: labels (B,) or, where images are mixed, shares of the classes (B, C); and the teacher's answers."""

    hard: torch.Tensor
    answers: SparseLogits

    def to(self, device: torch.device, *, non_blocking: bool = False) -> "DistillationTarget":
        hard, *answers = (column.to(device, non_blocking=non_blocking) for column in (self.hard, *self.answers))
        return DistillationTarget(hard, SparseLogits(*answers))


class StoredLogitsTask(TrainingTask):
    """Cross-entropy with the labels and with a teacher's stored answers to the same inputs.

    loss = (1 - a) CE(student, labels) + a t^2 KL(answers || student / t), a and t from the recipe: that of an online teacher, but
    for the probability outside the K kept classes, which is spread evenly over the others.
    """

    def __init__(self, student: nn.Module, recipe: Recipe, **kwargs: Any) -> None:
        super().__init__(verbose=False, **kwargs)
        self.trainable_module = student
        self.criterion = criterion(recipe)
        self.share, self.temperature = recipe.distill, recipe.temperature

    def forward(self, images: torch.Tensor, target: DistillationTarget) -> dict[str, torch.Tensor]:
        """``images`` (B, 3, R, R), normalised for the student."""
        output = self.trainable_module(images)
        loss = self.share * self.temperature**2 * divergence(output, target.answers, self.temperature)
        if self.share < 1:
            loss = loss + (1 - self.share) * self.criterion(output, target.hard)
        return {"loss": loss, "output": output}


def divergence(logits: torch.Tensor, answers: SparseLogits, temperature: float) -> torch.Tensor:
    """KL(answers || softmax(``logits`` (B, C) / temperature)), the batch's mean.

    The weights of the logits in the cross-entropy sum to 1, so that it is logsumexp(z) - sum of weight times z; and of that sum
    all but K terms have one weight.
    """
    soft, num_classes = logits.float() / temperature, logits.shape[1]
    kept, other = answers.probabilities(num_classes)
    at_kept = soft.gather(1, answers.classes)
    cross_entropy = soft.logsumexp(1) - ((kept - other[:, None]) * at_kept).sum(1) - other * soft.sum(1)
    others = num_classes - answers.classes.shape[1]
    entropy = -torch.xlogy(kept, kept).sum(1) - others * torch.xlogy(other, other)
    return (cross_entropy - entropy).mean()
