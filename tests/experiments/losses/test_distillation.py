"""Each part of the loss against values worked out by hand."""

import math
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
from torch import nn

from experiments.data.input_format import InputFormat
from experiments.losses.block_pairs import comparable_blocks
from experiments.losses.distillation import WeightDistillation, logits_loss, make_task
from experiments.losses.relations import attention_relation, hidden_relation
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES, Recipe
from models.networks.intermediates import IntermediatesExtractor
from models.zoo.families import build
from models.zoo.seeds import SEEDS

FORMAT = InputFormat(resolution=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
RECIPE = replace(RECIPES["small"], smoothing=0.0, distill=0.5, temperature=1.0)
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3])


class Says(nn.Module):
    """Answers the same logits to every image, by a parameter of its own."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), -1)


def task(student: nn.Module, teacher: nn.Module, recipe: Recipe) -> Any:
    return make_task(student, Teacher(network=teacher, input_format=FORMAT), recipe, FORMAT, torch.device("cpu"))


def test_soft_and_hard_logits_and_labels_by_hand() -> None:
    """Two classes: the student says (0, 0), the teacher (log 3, 0), so 3/4 and 1/4; all labels are the second class."""
    logits, teacher_logits = torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]])
    soft = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(logits_loss(logits, teacher_logits, RECIPE)) == pytest.approx(soft, rel=1e-5)
    assert float(logits_loss(logits, teacher_logits, replace(RECIPE, hard=True))) == pytest.approx(math.log(2))
    warm = replace(RECIPE, temperature=2.0)
    p = math.sqrt(3) / (1 + math.sqrt(3))
    warm_soft = 4 * (p * math.log(2 * p) + (1 - p) * math.log(2 - 2 * p))
    assert float(logits_loss(logits, teacher_logits, warm)) == pytest.approx(warm_soft, rel=1e-5)
    second = torch.ones(4, dtype=torch.long)
    found = task(Says(0.0, 0.0), Says(math.log(3), 0.0), replace(RECIPE, distill=0.25))(IMAGES, second)
    assert float(found["loss"].detach()) == pytest.approx(0.75 * math.log(2) + 0.25 * soft, rel=1e-5)


def test_a_distillation_token_learns_the_logits_and_the_class_token_the_labels() -> None:
    torch.manual_seed(0)
    small = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 1, "num_classes": 4}
    student = timm.create_model("deit_tiny_distilled_patch16_224", **small).train()
    teacher = Says(0.0, 5.0, 0.0, 0.0)
    distillation = task(student, teacher, replace(RECIPE, hard=True))
    loss = distillation(IMAGES, LABELS)["loss"]
    own, distilled = student(IMAGES)
    expected = 0.5 * nn.functional.cross_entropy(own, LABELS) + 0.5 * nn.functional.cross_entropy(distilled, torch.ones(4).long())
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    distillation.release()
    assert isinstance(student(IMAGES), torch.Tensor)


@pytest.mark.parametrize(
    ("student", "teacher"),
    [("mini_swin_1m_patch2_32", "swin_1m_patch2_32"), ("mini_deit_1m_patch4_32", "deit_1m_patch4_32"),
     ("mini_tiny_vit_1m_32", "tiny_vit_1m_32")],
)  # fmt: skip
def test_relations_of_a_smaller_student_reach_its_weights(student: str, teacher: str) -> None:
    torch.manual_seed(0)
    ours, theirs = build(SEEDS[student]).eval(), build(SEEDS[teacher])
    recipe = replace(RECIPE, distill=1.0, attention=1.0, hidden=0.1)
    distillation = task(ours, theirs, recipe)
    assert isinstance(distillation, WeightDistillation)
    found = distillation(IMAGES, LABELS)
    pairs = comparable_blocks(ours, theirs, (32, 32))
    ours_blocks, theirs_blocks = zip(*pairs, strict=True)
    with torch.no_grad():
        s, t = IntermediatesExtractor(ours, ours_blocks)(IMAGES), IntermediatesExtractor(theirs.eval(), theirs_blocks)(IMAGES)
        expected = [
            logits_loss(s.output, t.output, recipe),
            attention_relation(s.qkv, t.qkv),
            0.1 * hidden_relation(s.hidden, t.hidden),
        ]
    assert float(found["loss"].detach()) == pytest.approx(float(sum(expected)), rel=1e-4)
    (found["attention"] + found["hidden"]).backward()
    qkv = ours.get_submodule(ours_blocks[0]).attn.qkv.weight
    assert qkv.grad is not None
    assert float(qkv.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in theirs.parameters())
