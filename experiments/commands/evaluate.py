"""`scaler evaluate`."""

from dataclasses import asdict
from typing import Any

from experiments.commands.inputs import require_trained
from experiments.data.datasets import open_data
from experiments.runtime.processes import pick_device
from experiments.scoring.backend import evaluate_spec
from models.networks.model_spec import open_model_spec
from scaler.errors import UnknownNameError


def evaluate(name: str, *, data: str, split: str, workers: int) -> dict[str, Any]:
    """Score a trained variant on a split of ``data``."""
    images = open_data(data)
    splits = {"test": images.test, "holdout": images.holdout, "train": images.train}
    if split not in splits:
        raise UnknownNameError("split", split, splits)
    spec = open_model_spec(name)
    require_trained(spec, images)
    evaluation = evaluate_spec(spec, splits[split], pick_device(), workers)
    times = {"seconds": evaluation.seconds, "images_per_s": evaluation.images_per_s}
    return {**asdict(evaluation.metrics), **times, "split": split, "variant": name, "data": images.name}
