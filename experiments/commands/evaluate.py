"""`scaler evaluate`: the scores of a trained variant."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.commands.inputs import require_trained
from experiments.data.datasets import open_data
from experiments.data.image_set import HOLDOUT_SHARE, ImageData
from experiments.options.train import EvaluateOptions
from experiments.runtime.console import is_main_process, say
from experiments.runtime.processes import pick_device
from experiments.scoring.backend import evaluate_spec
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError
from scaler.results import variant


def evaluate(options: EvaluateOptions) -> dict[str, Any]:
    """Score a trained variant on one split of the data.

    The training images are split as they were when the variant was trained.

    Raises:
        ScalerError: if the variant is not trained for these classes, or the held-out images were among its training images.
    """
    images = _open_images(options)
    splits = {"test": images.test, "holdout": images.holdout, "train": images.train}
    spec = open_model_spec(options.variant)
    require_trained(spec, images)
    evaluation = evaluate_spec(spec, splits[options.split], pick_device(), options.loader_workers or 0)
    times = {"seconds": evaluation.seconds, "images_per_s": evaluation.images_per_s}
    named = {"split": options.split, "variant": options.variant, "data": images.name}
    return {**asdict(evaluation.metrics), **times, **named}


def _open_images(options: EvaluateOptions) -> ImageData:
    folder = Path(options.variant)
    info = variant.read_info(folder) if folder.is_dir() else None
    trained_on = info.trained_on if info else variant.TrainedOn()
    skip_bad = options.on_bad_image == "skip"
    if options.split == "test":
        return open_data(options.data, skip_bad=skip_bad)
    if options.split == "holdout":
        _check_holdout(options.variant, trained_on)
    share = trained_on.holdout_share or HOLDOUT_SHARE
    return open_data(
        options.data,
        train_images=trained_on.train_images,
        seed=trained_on.seed or 0,
        holdout_share=share,
        skip_bad=skip_bad,
    )


def _check_holdout(name: str, trained_on: variant.TrainedOn) -> None:
    if trained_on.part == "all":
        raise ScalerError(
            f"{name} was trained on all training images of {trained_on.data}, held-out ones included: evaluate --split test"
        )
    if not trained_on.part and is_main_process():
        say(f"{name} does not say on which images it was trained: the held-out ones may be among them")
