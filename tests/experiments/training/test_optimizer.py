"""Layer-wise learning rates against the published ones."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.training.job import Job
from experiments.training.optimizer import make_optimizer, make_schedule
from models.zoo.families import build
from models.zoo.seeds import SEEDS

# TinyViT-21M but for its widths: 2 + 2 + 6 + 2 blocks.
NARROW: dict[str, Any] = {"embed_dims": (16, 16, 32, 32), "num_heads": (1, 1, 2, 2), "num_classes": 10}
# Source: set_layer_lr_decay in TinyViT's models/tiny_vit.py, worked out by hand for a decay of 0.8, the last block first. A
# downsampling belongs to the stage before it.
PUBLISHED = {
    "head.": 1.0, "stages.3.blocks.1.": 1.0, "stages.3.blocks.0.": 0.8, "stages.3.downsample.": 0.64,
    "stages.2.blocks.5.": 0.64, "stages.2.blocks.4.": 0.512, "stages.2.blocks.3.": 0.4096, "stages.2.blocks.2.": 0.32768,
    "stages.2.blocks.1.": 0.262144, "stages.2.blocks.0.": 0.2097152, "stages.2.downsample.": 0.16777216,
    "stages.1.blocks.1.": 0.16777216, "stages.1.blocks.0.": 0.134217728, "stages.1.downsample.": 0.1073741824,
    "stages.0.blocks.1.": 0.1073741824, "stages.0.blocks.0.": 0.08589934592, "patch_embed.": 0.08589934592,
}  # fmt: skip


def job(name: str = "tiny_vit_22k_to_1k", **changes: Any) -> Job:
    recipe = replace(RECIPES[name], batch_size=32, **changes)
    input_format = InputFormat(resolution=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    data = open_data("digits", train_images=150)
    return Job(data=data, recipe=recipe, input_format=input_format, seed=0, device=torch.device("cpu"))


def scales(model: nn.Module, optimizer: Any) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: group["lr_scale"] for group in optimizer.param_groups for parameter in group["params"]}


@pytest.mark.parametrize("seed", ["tiny_vit_21m_224", "mini_tiny_vit_21m_224"])
def test_a_tiny_vit_has_the_published_layer_wise_rates(seed: str) -> None:
    model = build(replace(SEEDS[seed], **NARROW))
    found = scales(model, make_optimizer(model, job()))
    assert found.keys() == {name for name, _ in model.named_parameters()}
    for name, scale in found.items():
        (expected,) = (rate for prefix, rate in PUBLISHED.items() if name.startswith(prefix))
        assert scale == pytest.approx(expected, rel=1e-12), name


def test_the_schedule_scales_the_rates() -> None:
    model, work = build(replace(SEEDS["tiny_vit_21m_224"], **NARROW)), job()
    optimizer = make_optimizer(model, work)
    make_schedule(optimizer, work).step_update(work.recipe.warmup_epochs * work.steps_per_epoch)
    head = optimizer.param_groups[-1]["lr"]
    assert head == pytest.approx(work.recipe.lr * 32 / 512, rel=0.1)
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(head * group["lr_scale"])


def test_vectors_and_position_biases_are_not_decayed() -> None:
    model = build(replace(SEEDS["tiny_vit_21m_224"], **NARROW))
    optimizer = make_optimizer(model, job(weight_decay=0.1))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert decays[id(parameter)] == (0.0 if parameter.ndim <= 1 or "attention_biases" in name else 0.1), name


def test_other_networks_keep_timms_layer_wise_rates() -> None:
    model = build(replace(SEEDS["deit_1m_patch4_32"], embed_dim=32, num_heads=1, depth=2))
    groups = param_groups_layer_decay(model, layer_decay=0.8)
    expected = {id(parameter): group["lr_scale"] for group in groups for parameter in group["params"]}
    found = scales(model, make_optimizer(model, job()))
    assert found == {name: expected[id(parameter)] for name, parameter in model.named_parameters()}
