"""`scaler train`: one variant trained in full."""

from contextlib import nullcontext
from pathlib import Path

from experiments.commands.inputs import make_backend, open_inputs
from experiments.data.image_set import ImageData
from experiments.options.train import TrainOptions
from experiments.runtime.console import is_main_process
from experiments.scoring.records import variant_info
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
    name = options.variant
    spec = _spec_for(name, options.resolution, inputs.images)
    before = variant.read_info(Path(name)) if Path(name).is_dir() else None
    info = variant_info(spec, before.seed_model if before else name, before.budget if before else "")
    role = "seed" if name in SEEDS else "chosen"
    backend = make_backend(options, inputs)
    with only_process_in(options.out) if is_main_process() else nullcontext():
        return train_variant(spec, info, backend, options.out, seed=options.seed, role=role)


def _spec_for(name: str, resolution: int | None, images: ImageData) -> ModelSpec:
    spec = open_model_spec(name, resolution=resolution)
    if spec.weights is not None and spec.num_classes != images.num_classes:
        raise ScalerError(f"{name} was trained for {spec.num_classes} classes and {images.name} has {images.num_classes}")
    return open_model_spec(name, resolution=resolution, num_classes=images.num_classes)
