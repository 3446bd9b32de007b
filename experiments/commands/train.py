"""`scaler train`: one variant trained in full."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from experiments.commands.inputs import make_backend, open_inputs, tells_same_classes
from experiments.commands.teacher_remark import remark_on_teacher
from experiments.data.image_set import ImageData
from experiments.options.train import TrainOptions
from experiments.recipes import DEFAULT_RECIPE, HEAD_RECIPE
from experiments.runtime.console import is_main_process, say
from experiments.scoring.records import variant_info
from experiments.scoring.start import is_untrained_cut
from experiments.search.pipeline import train_variant
from models.networks.model_spec import ModelSpec, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.lock import only_process_in
from scaler.results import variant
from scaler.results.ledger import Record


def train(options: TrainOptions) -> Record:
    """Train a variant on all training images and score it on the test split."""
    if options.teacher is not None and Path(options.teacher).resolve() == options.out.resolve():
        raise ScalerError(f"--teacher {options.teacher} is also --out, where its weights would be replaced: choose another --out")
    inputs = open_inputs(options)
    remark_on_teacher(options.teacher, inputs.images.num_classes)
    name = options.variant
    spec = _spec_for(options, inputs.images)
    options = replace(options, recipe=options.recipe or (HEAD_RECIPE if spec.has_new_head else DEFAULT_RECIPE))
    before = variant.read_info(Path(name)) if Path(name).is_dir() else None
    info = variant_info(spec, before.seed_model if before else name, before.budget if before else "")
    role = "seed" if name in SEEDS else "chosen"
    backend = make_backend(options, inputs)
    with only_process_in(options.out) if is_main_process() else nullcontext():
        return train_variant(spec, info, backend, options.out, seed=options.seed, role=role)


def _spec_for(options: TrainOptions, images: ImageData) -> ModelSpec:
    """Return the model to train, with the weights to start from.

    Raises:
        ScalerError: if it has no weights to start from.
    """
    name, resolution = options.variant, options.resolution
    spec = open_model_spec(name, resolution=resolution)
    if options.start == "random" or spec.weights is None:
        if options.start == "weights":
            raise ScalerError(f"--start weights: {name} has no weights; leave --start out, or name a trained variant")
        _tell(f"{name} starts from random weights")
        return open_model_spec(name, resolution=resolution, num_classes=images.num_classes, keep_weights=False)
    if spec.is_resized:
        _tell(f"tables of positions are resized to {resolution} pixels where {name} has some")
    weights = "inherited weights" if is_untrained_cut(spec) else "its own weights"
    if not tells_same_classes(spec, images):
        recipe = "" if options.recipe else f", and the recipe is {HEAD_RECIPE}"
        classes = f"{spec.num_classes} classes and the {images.num_classes} of {images.name} are others"
        _tell(f"{name} starts from {weights} for {classes}: its head is replaced by a new one{recipe}")
        return spec.for_classes(images.class_names, images.num_classes)
    _tell(f"{name} starts from {weights}; --start random trains it anew")
    return spec


def _tell(message: str) -> None:
    if is_main_process():
        say(message)
