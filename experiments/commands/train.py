"""`scaler train`: one variant trained in full."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from experiments.commands.chosen_recipe import recipe_of
from experiments.commands.finished_model import card, keep_request
from experiments.commands.inputs import make_backend, open_inputs
from experiments.commands.teacher_remark import remark_on_teacher
from experiments.data.bad_images import record_skipped
from experiments.data.image_set import ImageData
from experiments.options.train import TrainOptions
from experiments.recipes import DEFAULT_RECIPE, HEAD_RECIPE
from experiments.runtime.console import is_main_process, say
from experiments.runtime.determinism import deterministic_algorithms
from experiments.runtime.parent import end_with_parent
from experiments.runtime.processes import world_size
from experiments.runtime.shares import cores, loaders_beside, threads_for, using_threads
from experiments.scoring.records import variant_info
from experiments.scoring.start import is_untrained_cut, tells_same_classes
from experiments.search.pipeline import train_variant
from models.networks.model_spec import ModelSpec, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.lock import only_process_in
from scaler.results import variant
from scaler.results.ledger import Record
from scaler.units import format_quantity


def train(options: TrainOptions) -> Record:
    """Train a variant on all training images and score it on the test split."""
    if options.teacher is not None and Path(options.teacher).resolve() == options.out.resolve():
        raise ScalerError(f"--teacher {options.teacher} is also --out, where its weights would be replaced: choose another --out")
    end_with_parent()
    inputs = open_inputs(options)
    remark_on_teacher(options.teacher, inputs.images.num_classes)
    name = options.variant
    spec = _spec_for(options, inputs.images)
    options = replace(options, recipe=options.recipe or (HEAD_RECIPE if spec.has_new_head else DEFAULT_RECIPE))
    info = _note(spec, name)
    options = _with_shares(options, info.flops)
    backend = make_backend(options, inputs)
    with _computing(options), only_process_in(options.out) if is_main_process() else nullcontext():
        keep_request(options, spec, inputs, backend)
        record_skipped(inputs.images.skipped, options.out)
        record = train_variant(spec, info, backend, options.out, seed=options.seed)
        if is_main_process():
            card(options, record, options.teacher)
        return record


@contextmanager
def _computing(options: TrainOptions) -> Iterator[None]:
    """Have PyTorch compute as ``options`` ask while the block runs."""
    with using_threads(options.threads), deterministic_algorithms(options.deterministic):
        yield


def _note(spec: ModelSpec, name: str) -> variant.VariantInfo:
    """Return the note of the model called ``name``: the origin and the role are those in its folder's note, if it has one."""
    before = variant.read_info(Path(name)) if Path(name).is_dir() else None
    if before is None:
        return variant_info(spec, name, role="seed" if name in SEEDS else "variant")
    found = variant_info(spec, before.seed_model, before.budget, before.role)
    if before.budget and found.flops > before.flops:
        was, now = format_quantity(before.flops), format_quantity(found.flops)
        _tell(f"{name} has {now} FLOPs at {spec.resolution} px instead of {was}, so that it may exceed {before.budget}")
    return found


def _with_shares(options: TrainOptions, flops: int) -> TrainOptions:
    """Return ``options`` with the threads and the loader of a lone training, where they are left open.

    Under torchrun, which sets the threads, nothing is filled in.
    """
    if world_size() > 1:
        return options
    threads = options.threads or threads_for(flops * recipe_of(options).batch_size // options.accumulate, cores())
    loaders = loaders_beside(threads, cores()) if options.loader_workers is None else options.loader_workers
    return replace(options, threads=threads, loader_workers=loaders)


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
        _tell(f"{name} has weights of another resolution: tables of positions, if any, are resized to {resolution} pixels")
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
