"""The loss of an elastic seed: that of its full size, and for each smaller member the distillation from the next larger one."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from experiments.losses.distillation import criterion, logits_loss
from experiments.losses.stored_logits import DistillationTarget
from experiments.recipes import Recipe
from models.common.architecture import VisionTransformer
from models.inheritance.members import Members
from search_spaces.elastic import MemberPlan

# The largest members of a shared set of weights stay behind, as all members train the first channels and few the last
# (ShiftNAS, ICCV 2023), so that the full size counts as much as both of an update's members.
_LARGEST = 2.0


class ElasticLoss:
    """The loss of an update: the weighted mean over the full size and the members that ``plan`` draws.

    The full size learns as the recipe says, from labels and a teacher. A member learns from the labels and, in the teacher's
    place, from the logits of the next larger one for the same images (in-place distillation).

    Args:
        network: the seed, with sorted channels.
        steps: updates of the training.
    """

    def __init__(self, network: nn.Module, plan: MemberPlan, recipe: Recipe, steps: int) -> None:
        arch = plan.space.seed
        assert isinstance(arch, VisionTransformer)
        self.members, self.plan, self.recipe, self.steps = Members(network, arch), plan, recipe, steps
        self.criterion = criterion(recipe)

    def __call__(self, largest: Mapping[str, torch.Tensor], images: torch.Tensor, target: Any, step: int) -> torch.Tensor:
        """Return the loss of the update that follows ``step`` others.

        Args:
            largest: "loss" and "output" of the full size for ``images``.
            target: labels or probabilities of the classes, with stored logits or without.
        """
        labels = target.labels if isinstance(target, DistillationTarget) else target
        losses, teacher = [], largest["output"].detach()
        for arch in self.plan.draw(step, self.steps):
            logits = self.members(arch, images)
            losses.append(self._member_loss(logits, teacher, labels))
            teacher = logits.detach()
        return (_LARGEST * largest["loss"] + sum(losses)) / (_LARGEST + len(losses))

    def _member_loss(self, logits: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        share = self.recipe.distill
        loss = share * logits_loss(logits, teacher, self.recipe)
        return loss + (1 - share) * self.criterion(logits, labels) if share < 1 else loss
