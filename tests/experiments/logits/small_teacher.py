"""A small teacher with random weights and the digits, for the tests of stores."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from experiments.data.augmentation import Augmentation
from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.logits.manifest import Manifest
from experiments.logits.writer import LogitsWriter
from experiments.losses.teacher import weights_digest
from experiments.recipes import RECIPES, Recipe
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.results.variant import VariantInfo

SIDE = 24
ARCH = replace(SEEDS["tiny_vit_1m_32"], embed_dims=(16, 16, 32, 32), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), resolution=SIDE)
MIXED = replace(
    RECIPES["small"], epochs=2, mixup=0.8, cutmix=1.0, auto_augment="rand-m9-mstd0.5-inc1", reprob=0.25, temperature=2.0
)


def digits() -> ImageData:
    return open_data("digits", train_images=151)  # 131 and 20 held out


def teacher(folder: Path) -> ModelSpec:
    torch.manual_seed(0)
    model = model_spec_of("teacher", ARCH).build()
    note = VariantInfo(family="tiny_vit", arch=ARCH.to_dict(), seed_model="tiny_vit_1m_32", budget="", flops=1, params=2)
    model_spec_of("teacher", ARCH).write(folder, note, model.state_dict())
    return open_model_spec(str(folder))


def writer(spec: ModelSpec, workers: int = 0) -> LogitsWriter:
    return LogitsWriter(spec=spec, data=digits().for_final_training(), device=torch.device("cpu"), workers=workers)


def manifest(spec: ModelSpec, recipe: Recipe = MIXED, **changes: Any) -> Manifest:
    data = digits()
    final = data.for_final_training()
    found = Manifest(
        teacher=weights_digest(spec), resolution=spec.resolution, mean=spec.mean, std=spec.std, num_classes=10, topk=4,
        temperature=recipe.temperature, encoding="fp16", epochs=2, seed=5, data=data.name, parts=final.parts,
        images=final.train.digest(), train_images=151, augmentation=Augmentation.of(recipe, data.hflip), rows=32,
    )  # fmt: skip
    return replace(found, **changes)
