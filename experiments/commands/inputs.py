"""The inputs of trainings and searches, opened and checked: images, teacher, stored logits, backend."""

from dataclasses import dataclass, fields

from experiments.commands.chosen_recipe import recipe_of
from experiments.data.datasets import open_data
from experiments.data.image_set import HOLDOUT_SHARE, ImageData
from experiments.logits.store import Store
from experiments.losses.teacher import Teacher
from experiments.options.search import ELASTIC_SCORE, SEARCH_SHARE, SearchOptions
from experiments.options.setup import SetupOptions
from experiments.options.train import TrainOptions
from experiments.recipes import DEFAULT_RECIPE
from experiments.runtime.setup import Setup
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.start import InheritedStart, is_untrained_cut
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The images of a training and the teacher to distil from, running or stored."""

    images: ImageData
    teacher: Teacher | None
    store: Store | None


def open_inputs(options: TrainOptions | SearchOptions) -> Inputs:
    """Open the images, the teacher and the stored logits that ``options`` name.

    With stored logits the images are split as they were when the teacher saw them.

    Raises:
        ScalerError: if one of them cannot be opened, or they do not fit together.
    """
    if options.logits is not None and options.teacher is not None:
        raise ScalerError("--teacher and --logits: give one of them, the model or what was stored of it")
    store = _open_store(options)
    if store and isinstance(options, SearchOptions) and options.holdout_share is not None:
        raise ScalerError(f"--holdout-share {options.holdout_share:g}: stored logits have a split of their own; leave it out")
    images = open_data(
        options.data,
        train_images=options.train_images or (store.manifest.train_images if store else None),
        seed=store.manifest.seed if store else options.seed,
        holdout_share=HOLDOUT_SHARE if store else _holdout_share(options),
        skip_bad=options.on_bad_image == "skip",
    )
    teacher = None if options.teacher is None else open_teacher(options.teacher, images)
    return Inputs(images=images, teacher=teacher, store=store)


def _holdout_share(options: TrainOptions | SearchOptions) -> float:
    """Return the share of the training images that is held out; an elastic seed is scored on those held out of its training."""
    if isinstance(options, TrainOptions) or options.score == ELASTIC_SCORE:
        return HOLDOUT_SHARE
    return options.holdout_share or SEARCH_SHARE


def _open_store(options: TrainOptions | SearchOptions) -> Store | None:
    if options.logits is None:
        return None
    store = Store.open(options.logits)
    store.verify()
    return store


def setup_of(options: SetupOptions) -> Setup:
    """Return the run-time setup that ``options`` declare."""
    return Setup(**{item.name: getattr(options, item.name) for item in fields(SetupOptions)})


def make_backend(options: TrainOptions | SearchOptions, inputs: Inputs, start: InheritedStart | None = None) -> TrainingBackend:
    """Return the backend that trains on ``inputs``; models without weights of their own begin from ``start``, if given.

    Raises:
        ScalerError: if the stored logits were made for another recipe or other images.
    """
    recipe, store = recipe_of(options), inputs.store
    if store is not None:
        store.manifest.require_fit(inputs.images, recipe, store.folder)
    setup = setup_of(options) if isinstance(options, SetupOptions) else None
    return TrainingBackend(
        inputs.images,
        options.recipe or DEFAULT_RECIPE,
        recipe,
        inputs.teacher,
        store=store,
        workers=options.loader_workers or 0,
        setup=setup,
        start=start,
    )


def open_teacher(name: str, images: ImageData) -> Teacher:
    """Return the trained model called ``name`` as a teacher for ``images``."""
    spec = open_model_spec(name)
    require_trained(spec, images)
    if is_untrained_cut(spec):
        raise ScalerError(f"{name} has weights that were cut and not trained since: train it first (`scaler train {name}`)")
    return Teacher.of(spec)


def require_trained(spec: ModelSpec, images: ImageData) -> None:
    """Raise ScalerError if ``spec`` has no weights or other classes than ``images``."""
    if spec.weights is None:
        raise ScalerError(f"{spec.name} has no weights: train it first (`scaler train {spec.name} --data ... --out DIR`)")
    if spec.num_classes != images.num_classes:
        classes = f"{spec.name} tells {spec.num_classes} classes apart and {images.name} has {images.num_classes}"
        raise ScalerError(f"{classes}: tune it to them first (`scaler train {spec.name} --data ... --out DIR`)")
