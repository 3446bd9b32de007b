"""Models that a command is given: a seed, any timm model, or a variant's folder, each as timm builds it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from models.common.json_values import to_lists
from models.zoo.families import read_architecture
from models.zoo.names import SeedName, TimmName, VariantFolder, resolve_model_name
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import Architecture
from scaler.cost.fvcore_count import count
from scaler.cost.operators import Cost
from scaler.errors import ScalerError, UnknownNameError
from scaler.files import write_bytes
from scaler.results import variant

# The entries of timm's configuration of an entry point that hold for every network that it builds. The others speak of timm's own
# pretrained weights: their place, tag, license and paper, and sizes that belong to their resolution.
_KEPT = ("input_size", "mean", "std", "crop_pct", "interpolation", "first_conv", "classifier")
# Below this side, in pixels, whole images are shown: cropping to timm's 95 % would cost objects that fill the image.
_SMALL = 128


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that can be built.

    Attributes:
        name: as the user gave it.
        config: timm's hub layout: the entry point, its arguments, and ``pretrained_cfg`` (input size, mean, std, ...).
        arch: its architecture where one of our families describes it.
        weights: the file that holds its weights, or None for random ones.
        digest: of the weights, as the folder's note has it; empty where there is no note or no weights are noted.
    """

    name: str
    config: dict[str, Any]
    arch: Architecture | None = None
    weights: Path | None = None
    digest: str = ""

    @property
    def resolution(self) -> int:
        return int(self.config["pretrained_cfg"]["input_size"][-1])

    @property
    def num_classes(self) -> int:
        return int(self.config["num_classes"])

    @property
    def crop_pct(self) -> float:
        return float(self.config["pretrained_cfg"].get("crop_pct", 1.0))

    @property
    def mean(self) -> tuple[float, ...]:
        return tuple(self.config["pretrained_cfg"]["mean"])

    @property
    def std(self) -> tuple[float, ...]:
        return tuple(self.config["pretrained_cfg"]["std"])

    def with_label_names(self, names: Sequence[str]) -> "ModelSpec":
        """Return the model with ``names`` for its classes, by index, where timm looks for them; none if ``names`` is empty."""
        cfg = {key: value for key, value in self.config["pretrained_cfg"].items() if key != "label_names"}
        labels = {"label_names": list(names)} if names else {}
        return replace(self, config={**self.config, "pretrained_cfg": cfg | labels})

    def build(self, **overrides: Any) -> nn.Module:
        """Build the network, with its weights where it has some; ``overrides`` go to timm's constructor (``drop_path_rate``).

        Raises:
            ScalerError: if the weights are missing, damaged or do not fit, or timm does not build the model so.
        """
        if self.digest:
            variant.check_weights(Path(self.name), self.digest)
        model = self._build(**overrides)
        if self.weights is not None:
            _load(model, self.weights)
        return model

    def without_weights(self) -> "ModelSpec":
        """Return the model with random weights."""
        return replace(self, weights=None, digest="")

    def _build(self, **overrides: Any) -> nn.Module:
        arguments = {**self.config.get("model_args", {}), "num_classes": self.num_classes, **overrides}
        try:
            model: nn.Module = timm.create_model(self.config["architecture"], pretrained=False, **arguments)
        except (RuntimeError, TypeError, ValueError, AssertionError, ArithmeticError, LookupError, AttributeError) as error:
            raise ScalerError(f"timm cannot build {self.name} with {arguments}: {error}") from error
        return model

    def count(self) -> Cost:
        """Return fvcore's count of the built network at the model's resolution."""
        return count(self._build(), self.resolution, int(self.config["pretrained_cfg"]["input_size"][0]))

    def write(self, folder: Path, note: variant.VariantInfo, weights: dict[str, Any] | None = None) -> None:
        """Write the model as a variant's folder, with ``weights`` (a state dict) where given."""
        if weights is not None:
            tensors = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
            write_bytes(folder / variant.WEIGHTS, save(tensors, {"format": "pt"}))
        variant.write(folder, self.config, note)


def open_model_spec(
    text: str, *, resolution: int | None = None, num_classes: int | None = None, keep_weights: bool = True
) -> ModelSpec:
    """Return the model that ``text`` names, at another resolution or class count where given.

    Without ``keep_weights`` it has random weights, also if its folder holds some.

    Raises:
        UnknownNameError: if ``text`` names no model.
        ScalerError: if it is a folder that is not a variant's.
    """
    match resolve_model_name(text):
        case SeedName(name=name):
            spec = model_spec_of(name, SEEDS[name])
        case VariantFolder(folder=folder):
            spec = _of_folder(folder)
        case TimmName(name=name):
            spec = _of_timm(name)
    return _changed(spec if keep_weights else replace(spec, weights=None, digest=""), resolution, num_classes)


def model_spec_of(name: str, arch: Architecture) -> ModelSpec:
    """Return ``arch`` as a model; mean, std and interpolation are those of its family in timm."""
    cfg = _pretrained_cfg(arch.timm_name) | ({"crop_pct": 1.0} if arch.resolution < _SMALL else {})
    data = variant.config(arch.timm_name, arch.timm_args(), arch.resolution, cfg)
    return ModelSpec(name=name, config=to_lists(data), arch=arch)


def _of_folder(folder: Path) -> ModelSpec:
    config = variant.read_config(folder)
    if not timm.is_model(config["architecture"]):
        raise UnknownNameError("timm architecture", config["architecture"], timm.list_models())
    weights = folder / variant.WEIGHTS
    config["num_classes"] = config.get("num_classes", config["pretrained_cfg"].get("num_classes", 1000))
    arch, found, info = read_architecture(folder), weights if weights.is_file() else None, variant.read_info(folder)
    return ModelSpec(name=str(folder), config=config, arch=arch, weights=found, digest=info.weights if info else "")


def _of_timm(name: str) -> ModelSpec:
    """Return a timm model with 1000 classes (some entry points would build 21,841 unless told)."""
    cfg = _pretrained_cfg(name)
    shape = cfg.get("input_size", (3, 224, 224))
    return ModelSpec(name=name, config=variant.config(name, {"num_classes": 1000, "in_chans": shape[0]}, shape[-1], cfg))


def _changed(spec: ModelSpec, resolution: int | None, num_classes: int | None) -> ModelSpec:
    if resolution in (None, spec.resolution) and num_classes in (None, spec.num_classes):
        return spec
    if spec.weights is not None and num_classes not in (None, spec.num_classes):
        raise ScalerError(f"{spec.name} was trained for {spec.num_classes} classes, not {num_classes}")
    resolution, num_classes = resolution or spec.resolution, num_classes or spec.num_classes
    if spec.arch is None:
        return replace(spec, config=_changed_config(spec, resolution, num_classes))
    arch = spec.arch.with_task(resolution=resolution, num_classes=num_classes)
    names = spec.config["pretrained_cfg"].get("label_names", ()) if num_classes == spec.num_classes else ()
    return replace(model_spec_of(spec.name, arch), weights=spec.weights, digest=spec.digest).with_label_names(names)


def _changed_config(spec: ModelSpec, resolution: int, num_classes: int) -> dict[str, Any]:
    """Return the configuration of a model that only timm knows; ``img_size`` is passed where the size is built in."""
    named = spec if num_classes == spec.num_classes else spec.with_label_names(())
    cfg = named.config["pretrained_cfg"]
    arguments = {**spec.config.get("model_args", {}), "num_classes": num_classes, "in_chans": cfg["input_size"][0]}
    if cfg.get("fixed_input_size") and resolution != spec.resolution:
        arguments["img_size"] = resolution
    return variant.config(spec.config["architecture"], arguments, resolution, cfg)


def _pretrained_cfg(name: str) -> dict[str, Any]:
    """Return the part of timm's configuration of a model that holds whatever its weights are."""
    found = timm.get_pretrained_cfg(name)
    cfg = {} if found is None else found.to_dict()
    fixed = {"fixed_input_size": True} if cfg.get("fixed_input_size") else {}
    return {key: cfg[key] for key in _KEPT if key in cfg} | fixed


def _load(model: nn.Module, path: Path) -> None:
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ScalerError(
            f"the weights in {path} do not load: {str(error).splitlines()[0]}; train or import them again"
        ) from error
