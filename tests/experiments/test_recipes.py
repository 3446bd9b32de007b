"""The published recipes' numbers, written down a second time from the project's notes on the papers and their code."""

from typing import Any

import pytest

from experiments.recipes import RECIPES, get_recipe
from scaler.errors import UnknownNameError

# Source: TinyViT's configs and docs/TRAINING.md; DeiT's, Mini-DeiT's and Mini-Swin's main.py, configs and README. ``rate`` and
# ``least`` are those in effect at the published batch: base rate x batch / 512.
PUBLISHED: dict[str, dict[str, Any]] = {
    "tiny_vit_in1k": {"epochs": 300, "warmup_epochs": 20, "batch_size": 1024, "rate": 1e-3, "least": 1e-5, "weight_decay": 0.05,
                      "mixup": 0.8, "cutmix": 1.0, "drop_path": 0.1, "clip_grad": 5.0, "smoothing": 0.1},
    "tiny_vit_in22k_distill": {"epochs": 90, "warmup_epochs": 5, "batch_size": 4096, "rate": 2e-3, "weight_decay": 0.01,
                               "mixup": 0.0, "cutmix": 0.0, "drop_path": 0.0, "clip_grad": 5.0, "distill": 1.0, "temperature":
                               1.0},
    "tiny_vit_22k_to_1k": {"epochs": 30, "warmup_epochs": 5, "batch_size": 1024, "rate": 5e-4, "least": 2e-5, "weight_decay":
    1e-8,
                           "mixup": 0.0, "cutmix": 0.0, "drop_path": 0.0, "layer_decay": 0.8, "freeze_bn": True},
    "tiny_vit_higher_resolution": {"epochs": 30, "warmup_epochs": 5, "batch_size": 1024, "rate": 4e-5, "least": 4e-7,
                                   "weight_decay": 1e-8, "mixup": 0.0, "cutmix": 0.0, "drop_path": 0.1, "layer_decay": 1.0,
                                   "freeze_bn": True},
    "mini_deit": {"epochs": 300, "warmup_epochs": 5, "batch_size": 1024, "rate": 1e-3, "least": 1e-5, "weight_decay": 0.05,
                  "ema_decay": 0.99996, "repeats": 3, "mixup": 0.8, "cutmix": 1.0, "drop_path": 0.0, "clip_grad": 0.0,
                  "distill": 1.0, "temperature": 1.0, "attention": 0.0, "hidden": 0.0, "hard": False},
    "mini_deit_384": {"epochs": 30, "batch_size": 256, "rate": 2.5e-6, "least": 5e-6, "weight_decay": 1e-8, "distill": 0.0},
    "mini_swin": {"epochs": 300, "warmup_epochs": 20, "batch_size": 1024, "rate": 1e-3, "weight_decay": 0.05, "clip_grad": 5.0,
                  "drop_path": 0.1, "ema_decay": 0.0, "repeats": 1, "distill": 1.0, "temperature": 1.0, "attention": 1.0,
                  "hidden": 0.1, "relation_heads": 1},
    "mini_swin_384": {"epochs": 30, "warmup_epochs": 5, "batch_size": 256, "rate": 1e-5, "weight_decay": 1e-8, "clip_grad": 5.0,
                      "drop_path": 0.2, "distill": 0.0, "attention": 0.0, "hidden": 0.0},
}  # fmt: skip
# Of all of them: RandAugment of magnitude 9, erasing in a quarter of the images.
COMMON = {"opt": "adamw", "auto_augment": "rand-m9-mstd0.5-inc1", "reprob": 0.25, "smoothing": 0.1, "interpolation": "bicubic"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_has_the_published_numbers(name: str) -> None:
    recipe, expected = get_recipe(name), COMMON | PUBLISHED[name]
    scale = recipe.batch_size / 512
    found = {"rate": recipe.lr * scale, "least": recipe.min_lr * scale}
    for key, value in expected.items():
        assert found.get(key, getattr(recipe, key, None)) == pytest.approx(value), key


def test_every_recipe_is_checked_or_ours() -> None:
    assert set(RECIPES) - set(PUBLISHED) == {"small", "proxy", "shrink", "finetune"}


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'mini_diet': did you mean 'mini_deit'"):
        get_recipe("mini_diet")
