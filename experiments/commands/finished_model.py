"""A finished model in its folder: the request of its training, which keeps it from being replaced by another, and its card."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.commands.chosen_recipe import recipe_of
from experiments.commands.inputs import Inputs
from experiments.losses.teacher import weights_digest
from experiments.options.train import ShrinkOptions, TrainOptions
from experiments.report.model_card import Training, write_card
from experiments.runtime.console import is_main_process, say
from experiments.scoring.backend import TrainingBackend
from models.networks.model_spec import ModelSpec
from scaler.errors import DamagedFileError, ScalerError
from scaler.json_files import read_sealed, set_aside, write_sealed
from scaler.results.ledger import Record
from scaler.results.variant import WEIGHTS

REQUEST = "train.json"
_WAY_OUT = "choose another --out, or delete that folder"


def keep_request(options: TrainOptions, spec: ModelSpec, inputs: Inputs, backend: TrainingBackend) -> None:
    """Write the request to ``options.out``.

    Raises:
        ScalerError: if the folder holds a finished model of another request; the message names the first difference.
    """
    path, asked = options.out / REQUEST, _request(options, spec, inputs)
    before = _kept(path)
    if before == asked:
        return
    if (options.out / WEIGHTS).exists() and not backend.has_finished(spec, options.out, seed=options.seed, final=True):
        raise ScalerError(f"{options.out} holds a model {_difference(before, asked)}: {_WAY_OUT}")
    if is_main_process():
        write_sealed(path, asked)


def card(options: TrainOptions | ShrinkOptions, record: Record, teacher: str | None) -> None:
    """Write the model card of the finished model in ``options.out``; ``teacher`` names the model that taught it, if one did."""
    command = "train" if isinstance(options, TrainOptions) else "shrink"
    taught = f"`{teacher}`" if teacher else f"logits stored in `{options.logits}`" if options.logits else ""
    write_card(options.out, record, Training(command=shlex.join(["scaler", command, *options.words()]), teacher=taught))


def _request(options: TrainOptions, spec: ModelSpec, inputs: Inputs) -> dict[str, Any]:
    """Return the values that decide the result; names of files and folders are replaced by their contents' digests."""
    recipe = recipe_of(options)
    found = {name: value for name, value in options.recorded().items() if name in options.fixed_names()}
    arguments = {"model": spec.config["architecture"], **spec.config.get("model_args", {})}
    resolved = {
        "variant": json.dumps(arguments, sort_keys=True),
        "start": f"weights {weights_digest(spec)}" if spec.weights else "random",
        "teacher": inputs.teacher.digest if inputs.teacher else None,
        "logits": inputs.store.manifest.digest if inputs.store else None,
        "data": inputs.images.name,
        "train_images": inputs.images.train_images,
        "images": ", ".join(part.digest() for part in (inputs.images.train, inputs.images.holdout, inputs.images.test)),
        "resolution": spec.resolution,
    }
    return found | {name: getattr(recipe, name) for name in found if hasattr(recipe, name)} | resolved


def _kept(path: Path) -> Mapping[str, Any]:
    """Return the kept request; an empty one if there is none, or it is damaged and was set aside."""
    if not path.exists():
        return {}
    try:
        return read_sealed(path, dict[str, Any], "delete it")
    except DamagedFileError as error:
        if is_main_process():
            say(f"{error.fault}, and was set aside as {set_aside(path).name}")
        return {}


def _difference(before: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    if not before:
        return f"of another request (there is no {REQUEST} to compare with)"
    name = next(name for name in (*asked, *before) if before.get(name) != asked.get(name))
    was, now = ("unset" if value is None else value for value in (before.get(name), asked.get(name)))
    return f"trained with {name} = {was}, not {now}"
