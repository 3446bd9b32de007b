"""A variant: a folder that timm opens, with the weights once trained, and a note of what it was asked for and what it costs.

- ``config.json``: timm's hub layout, so that ``timm.create_model("local-dir:FOLDER")`` builds it.
- ``model.safetensors``: the weights; absent until trained.
- ``scaler.json``: `VariantInfo`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from scaler.errors import ScalerError
from scaler.files import write_json

CONFIG, WEIGHTS, NOTE = "config.json", "model.safetensors", "scaler.json"


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """The images on which weights were trained, and the facts that tell them from the held-out ones.

    Attributes:
        part: "all" for all training images, held-out ones included; "train" for those that were not held out; "" if unknown or
            untrained.
        data: name of the data set.
        train_images: number of training images that were used, held-out ones included; None for all.
        seed: of the choice of held-out images.
    """

    part: str = ""
    data: str = ""
    train_images: int | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class VariantInfo:
    """Facts that timm's config does not hold. ``flops`` and ``params`` are fvcore's count of the built network."""

    family: str
    arch: Mapping[str, Any]
    seed_model: str
    budget: str
    flops: int
    params: int
    trained_on: TrainedOn = TrainedOn()


def config(timm_name: str, model_args: Mapping[str, Any], resolution: int, pretrained_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """``config.json`` in timm's hub layout for a model at ``resolution`` pixels."""
    shared = {"num_classes": model_args["num_classes"], "input_size": [model_args["in_chans"], resolution, resolution]}
    return {
        "architecture": timm_name,
        "num_classes": model_args["num_classes"],
        "model_args": dict(model_args),
        "pretrained_cfg": {**pretrained_cfg, **shared},
    }


def write(folder: Path, configuration: Mapping[str, Any], note: VariantInfo) -> None:
    """Write the folder; ``config.json`` comes last, so that a folder that has one is whole."""
    write_json(folder / NOTE, asdict(note))
    write_json(folder / CONFIG, configuration)


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a variant, or of any folder in timm's hub layout.

    Raises:
        ScalerError: it is missing or cannot be read.
    """
    data = _read(folder / CONFIG, "a variant's folder holds config.json in timm's hub layout")
    missing = [key for key in ("architecture", "pretrained_cfg") if key not in data]
    if missing:
        raise ScalerError(f"{folder / CONFIG} has no {' and no '.join(missing)}: it is not in timm's hub layout")
    return data


def read_info(folder: Path) -> VariantInfo | None:
    """The note, or None for a folder that was not written by this project."""
    if not (folder / NOTE).is_file():
        return None
    data = _read(folder / NOTE, "a variant's note is a JSON object")
    data["trained_on"] = _trained_on(data.get("trained_on"), folder)
    try:
        return VariantInfo(**{field.name: data[field.name] for field in fields(VariantInfo)})
    except KeyError as error:
        raise ScalerError(f"{folder / NOTE} has no {error}: restore or delete the file") from error


def _trained_on(data: Any, folder: Path) -> TrainedOn:
    """Return the part of a note about training images; notes of earlier versions have none."""
    if data is None:
        return TrainedOn()
    try:
        return TrainedOn(**data)
    except TypeError as error:
        raise ScalerError(f"{folder / NOTE}: trained_on has other fields than it should: restore or delete the file") from error


def _read(path: Path, rule: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScalerError(f"cannot read {path} ({error}): {rule}") from error
    if not isinstance(data, dict):
        raise ScalerError(f"{path} is not a JSON object: {rule}")
    return data
