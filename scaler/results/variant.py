"""A variant: a folder that timm opens, with the weights once trained, and a note of what it was asked for and what it costs.

- ``config.json``: timm's hub layout, so that ``timm.create_model("local-dir:FOLDER")`` builds it.
- ``model.safetensors``: the weights; absent until trained, or inherited from a seed.
- ``scaler.json``: `VariantInfo`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from scaler.errors import DamagedFileError, ScalerError
from scaler.files import write_json
from scaler.json_files import check_form, file_digest, json_digest, read_json, read_sealed, write_sealed

CONFIG, WEIGHTS, NOTE = "config.json", "model.safetensors", "scaler.json"
# Entries of timm's configurations that say where pretrained weights are; nothing outside of a folder is read for it.
SOURCES = ("url", "hf_hub_id", "hf_hub_filename", "file", "state_dict", "checkpoint_path")
# Arguments of `timm.create_model` that would read other files.
_LOADING = ("checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
_CONFIG_REMEDY = "restore it in timm's hub layout, or give another folder"
_CHANGED_REMEDY = f"restore it, or delete {NOTE} to use the folder as one that only timm knows"
_NOTE_REMEDY = "restore it, write the variant again, or delete the file to use the folder as one that only timm knows"
_WEIGHTS_REMEDY = "restore the file, or train or import the weights again"


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """The images on which weights were trained, and the facts that tell them from the held-out ones.

    Attributes:
        part: "all" for all training images, held-out ones included; "train" for those that were not held out; "" if unknown or
            untrained.
        data: name of the data set.
        train_images: number of training images that were used, held-out ones included; None for all.
        seed: of the choice of held-out images.
        holdout_share: fraction of the training images that was held out; None for a tenth, in notes of earlier versions.
    """

    part: str = ""
    data: str = ""
    train_images: int | None = None
    seed: int | None = None
    holdout_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class VariantInfo:
    """Facts that timm's config does not hold.

    Attributes:
        flops, params: fvcore's count of the built network.
        role: ``"chosen"`` by a search, its ``"baseline"``, a ``"seed"``, or any other ``"variant"``.
        weights: digest of ``model.safetensors``; empty where there is none.
        start: "inherited" if the weights were cut out of a seed's and not trained since; empty otherwise.
        config: digest of ``config.json``; empty in notes of earlier versions, which are not checked.
    """

    family: str
    arch: Mapping[str, Any]
    seed_model: str
    budget: str
    flops: int
    params: int
    role: str = "variant"
    trained_on: TrainedOn = TrainedOn()
    weights: str = ""
    start: str = ""
    config: str = ""


@dataclass(frozen=True, kw_only=True)
class _PretrainedForm:
    """The entries of ``pretrained_cfg`` that are read here, and their types."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    input_size: tuple[int, int, int]
    num_classes: int = 0
    crop_pct: float = 1.0
    interpolation: Literal["", "nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"] | None = None
    crop_mode: Literal["", "center", "squash", "border"] | None = None
    label_names: list[str] | None = None
    label_descriptions: dict[str, str] | list[str] | None = None

    def __post_init__(self) -> None:
        if min(*self.std, *self.input_size, self.crop_pct) <= 0 or self.num_classes < 0:
            raise ValueError("std, input_size and crop_pct must be above 0, and num_classes not below")


@dataclass(frozen=True, kw_only=True)
class _ConfigForm:
    """The entries of ``config.json`` that are read here, and their types."""

    architecture: str
    pretrained_cfg: _PretrainedForm
    model_args: dict[str, Any] = field(default_factory=dict)
    num_classes: int = 0


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
    """Write the folder; ``config.json`` comes last, so that a folder that has one is whole.

    The note gets the digests of the configuration and of the weights that lie in the folder.
    """
    weights = folder / WEIGHTS
    digest = file_digest(weights) if weights.is_file() else ""
    write_sealed(folder / NOTE, replace(note, weights=digest, config=json_digest(configuration)))
    write_json(folder / CONFIG, configuration)


def read_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json`` of a variant, or of any folder in timm's hub layout, without what names files elsewhere.

    Raises:
        ScalerError: if it is missing.
        DamagedFileError: if it cannot be read, is not in timm's hub layout, or is not the one that the folder's note is of.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ScalerError(f"{folder} holds no {CONFIG}: give a variant's folder, or one in timm's hub layout")
    data, note = read_json(path, dict[str, Any], _CONFIG_REMEDY), read_info(folder)
    check_form(data, _ConfigForm, path, _CONFIG_REMEDY)
    if note is not None and note.config not in ("", json_digest(data)):
        raise DamagedFileError(path, f"its content does not match the digest in {NOTE}", _CHANGED_REMEDY)
    own = {key: value for key, value in data["pretrained_cfg"].items() if key not in SOURCES}
    arguments = {key: value for key, value in data.get("model_args", {}).items() if key not in _LOADING}
    return {**data, "pretrained_cfg": own, **({"model_args": arguments} if "model_args" in data else {})}


def read_info(folder: Path) -> VariantInfo | None:
    """Return the note; None for a folder that was not written by this project.

    Raises:
        DamagedFileError: if the note is not as it was written.
    """
    path = folder / NOTE
    return read_sealed(path, VariantInfo, _NOTE_REMEDY) if path.is_file() else None


def check_weights(folder: Path, digest: str) -> None:
    """Compare the weights in ``folder`` with ``digest``, the one that its note holds.

    Raises:
        DamagedFileError: if they are missing or differ.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise DamagedFileError(path, "the folder notes weights, and the file is missing", _WEIGHTS_REMEDY)
    if file_digest(path) != digest:
        raise DamagedFileError(path, f"its content does not match the digest in {NOTE}", _WEIGHTS_REMEDY)
