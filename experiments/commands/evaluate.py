"""`scaler evaluate`: the scores of a trained variant."""

from dataclasses import asdict
from typing import Any

from experiments.commands.inputs import require_trained
from experiments.data.datasets import open_data
from experiments.options.train import EvaluateOptions
from experiments.runtime.processes import pick_device
from experiments.scoring.backend import evaluate_spec
from models.networks.model_spec import open_model_spec


def evaluate(options: EvaluateOptions) -> dict[str, Any]:
    """Score a trained variant on one split of the data."""
    images = open_data(options.data)
    splits = {"test": images.test, "holdout": images.holdout, "train": images.train}
    spec = open_model_spec(options.variant)
    require_trained(spec, images)
    evaluation = evaluate_spec(spec, splits[options.split], pick_device(), options.loader_workers)
    times = {"seconds": evaluation.seconds, "images_per_s": evaluation.images_per_s}
    named = {"split": options.split, "variant": options.variant, "data": images.name}
    return {**asdict(evaluation.metrics), **times, **named}
