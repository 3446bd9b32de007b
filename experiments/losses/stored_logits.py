"""The loss against a teacher's stored logits, computed without a dense target."""

from typing import Any, NamedTuple

import torch
from timm.task.task import TrainingTask
from torch import nn

from experiments.logits.sparse_logits import SparseLogits
from experiments.losses.distillation import criterion
from experiments.recipes import Recipe


class DistillationTarget(NamedTuple):
    """The target of a batch.

    Attributes:
        labels: (B,), or probabilities of the classes (B, C) if images are mixed.
        sparse_logits: the teacher's.
    """

    labels: torch.Tensor
    sparse_logits: SparseLogits

    def to(self, device: torch.device, *, non_blocking: bool = False) -> "DistillationTarget":
        """Return the target on ``device``."""
        labels, *columns = (column.to(device, non_blocking=non_blocking) for column in (self.labels, *self.sparse_logits))
        return DistillationTarget(labels, SparseLogits(*columns))


class StoredLogitsTask(TrainingTask):
    """Cross-entropy with the labels and with a teacher's stored logits for the same inputs.

    loss = (1 - a) CE(student, labels) + a t^2 KL(teacher || student / t), with a and t from the recipe. This is the loss with an
    online teacher, except that the probability outside of the K kept classes is spread evenly over the others.
    """

    def __init__(self, student: nn.Module, recipe: Recipe, **kwargs: Any) -> None:
        super().__init__(verbose=False, **kwargs)
        self.trainable_module = student
        self.criterion = criterion(recipe)
        self.share, self.temperature = recipe.distill, recipe.temperature

    def forward(self, images: torch.Tensor, target: DistillationTarget) -> dict[str, torch.Tensor]:
        """Return the loss and the student's logits ("output") for ``images`` (B, 3, R, R), normalized for the student."""
        output = self.trainable_module(images)
        loss = self.share * self.temperature**2 * divergence(output, target.sparse_logits, self.temperature)
        if self.share < 1:
            loss = loss + (1 - self.share) * self.criterion(output, target.labels)
        return {"loss": loss, "output": output}


def divergence(logits: torch.Tensor, sparse_logits: SparseLogits, temperature: float) -> torch.Tensor:
    """Return KL(teacher || softmax(``logits`` (B, C) / temperature)), the mean over the batch.

    The target's probabilities p sum to 1, so the cross-entropy is logsumexp(z) - sum(p z); all but K terms of that sum have the
    same p.
    """
    soft, num_classes = logits.float() / temperature, logits.shape[1]
    kept, other = sparse_logits.probabilities(num_classes)
    at_kept = soft.gather(1, sparse_logits.classes)
    cross_entropy = soft.logsumexp(1) - ((kept - other[:, None]) * at_kept).sum(1) - other * soft.sum(1)
    others = num_classes - sparse_logits.classes.shape[1]
    entropy = -torch.xlogy(kept, kept).sum(1) - others * torch.xlogy(other, other)
    return (cross_entropy - entropy).mean()
