"""`scaler train`: one variant trained in full."""

from pathlib import Path

from experiments.commands.inputs import make_backend, open_inputs
from experiments.commands.teacher_remark import remark_on_teacher
from experiments.data.image_set import ImageData
from experiments.options.train import TrainOptions
from experiments.scoring.records import variant_info
from experiments.search.pipeline import train_variant
from models.networks.model_spec import ModelSpec, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.results import variant
from scaler.results.ledger import Record


def train(options: TrainOptions) -> Record:
    """Train a variant on all training images and score it on the test split."""
    inputs = open_inputs(options)
    remark_on_teacher(options.teacher, inputs.images.num_classes)
    name = options.variant
    spec = _spec_for(name, options.resolution, inputs.images)
    before = variant.read_info(Path(name)) if Path(name).is_dir() else None
    info = variant_info(spec, before.seed_model if before else name, before.budget if before else "")
    role = "seed" if name in SEEDS else "chosen"
    return train_variant(spec, info, make_backend(options, inputs), options.out, seed=options.seed, role=role)


def _spec_for(name: str, resolution: int | None, images: ImageData) -> ModelSpec:
    spec = open_model_spec(name, resolution=resolution)
    if spec.weights is not None and spec.num_classes != images.num_classes:
        raise ScalerError(f"{name} was trained for {spec.num_classes} classes and {images.name} has {images.num_classes}")
    return open_model_spec(name, resolution=resolution, num_classes=images.num_classes)
