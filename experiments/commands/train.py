"""`scaler train`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.commands.inputs import make_backend, open_images, open_logits, open_teacher
from experiments.data.image_set import ImageData
from experiments.recipes import get_recipe
from experiments.runtime.setup import Setup
from experiments.scoring.records import variant_info
from experiments.search import pipeline
from models.networks.model_spec import ModelSpec, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.results import variant


def train(
    name: str,
    *,
    data: str,
    out: Path,
    teacher: str | None = None,
    logits: Path | None = None,
    recipe: str = "small",
    epochs: int | None = None,
    batch_size: int | None = None,
    drop_path: float | None = None,
    resolution: int | None = None,
    train_images: int | None = None,
    seed: int = 0,
    workers: int = 0,
    setup: Setup | None = None,
) -> dict[str, Any]:
    """Train one target on all training images and score it on the test split; what is None is as the recipe says."""
    store = open_logits(logits, teacher)
    images = open_images(data, train_images, seed, store)
    spec = _target_for(name, resolution, images)
    changes: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "drop_path": drop_path}
    steps = replace(get_recipe(recipe), **{name: value for name, value in changes.items() if value is not None})
    backend = make_backend(images, recipe, steps, open_teacher(teacher, images), store, workers, setup)
    before = variant.read_info(Path(name)) if Path(name).is_dir() else None
    note = variant_info(spec, before.seed if before else name, before.budget if before else "")
    record = pipeline.train_variant(spec, note, backend, out, seed=seed, role="seed" if name in SEEDS else "chosen")
    return record.row()


def _target_for(name: str, resolution: int | None, images: ImageData) -> ModelSpec:
    spec = open_model_spec(name, resolution=resolution)
    if spec.weights is not None and spec.num_classes != images.num_classes:
        raise ScalerError(f"{name} was trained for {spec.num_classes} classes and {images.name} has {images.num_classes}")
    return open_model_spec(name, resolution=resolution, num_classes=images.num_classes)
