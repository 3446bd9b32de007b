"""The commands that train and score: they open the data, the models and the backend, then hand over to the pipeline."""

from pathlib import Path

from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.logits.store import Store
from experiments.losses.teacher import Teacher
from experiments.recipes import Recipe
from experiments.runtime.setup import Setup
from experiments.scoring.backend import TrainingBackend
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError


def open_logits(folder: Path | None, teacher: str | None) -> Store | None:
    """The store in ``folder``, every file of it checked."""
    if folder is None:
        return None
    if teacher is not None:
        raise ScalerError("--teacher and --logits: give one of them, the model or what was stored of it")
    store = Store.open(folder)
    store.verify()
    return store


def open_images(data: str, train_images: int | None, seed: int, store: Store | None) -> ImageData:
    """The data; with stored logits as they were when the teacher saw them: the same images held out, and as many of them."""
    if store is None:
        return open_data(data, train_images=train_images, seed=seed)
    return open_data(data, train_images=train_images or store.manifest.train_images, seed=store.manifest.seed)


def make_backend(
    images: ImageData,
    name: str,
    recipe: Recipe,
    teacher: Teacher | None,
    store: Store | None,
    workers: int,
    setup: Setup | None = None,
) -> TrainingBackend:
    if store is not None:
        store.manifest.require_fit(images, recipe, store.folder)
    return TrainingBackend(images, name, recipe, teacher, store=store, workers=workers, setup=setup)


def open_teacher(name: str | None, images: ImageData) -> Teacher | None:
    """The trained model called ``name`` as a teacher for ``images``."""
    return None if name is None else Teacher.of(open_trained(name, images))


def open_trained(name: str, images: ImageData) -> ModelSpec:
    spec = open_model_spec(name)
    require_trained(spec, images)
    return spec


def require_trained(spec: ModelSpec, images: ImageData) -> None:
    if spec.weights is None:
        raise ScalerError(f"{spec.name} has no weights: train it first (`scaler train {spec.name} --data ... --out DIR`)")
    if spec.num_classes != images.num_classes:
        raise ScalerError(f"{spec.name} tells {spec.num_classes} classes apart and {images.name} has {images.num_classes}")
