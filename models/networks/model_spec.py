"""Models that a command is given: a seed, any timm model, or a variant's folder, each as timm builds it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
from safetensors.torch import save
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import nn

from models.any_timm.arch import TimmArch
from models.common.json_values import to_lists
from models.networks.loading import load_weights
from models.zoo.families import read_architecture
from models.zoo.names import SeedName, TimmName, VariantFolder, require_timm_model, resolve_model_name
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
_LABELS = ("label_names", "label_descriptions")
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
        has_new_head: the weights are loaded without their head, for which a new one is drawn (`models.networks.loading`).
        is_resized: the weights are of another resolution; their tables of positions are resized.
    """

    name: str
    config: dict[str, Any]
    arch: Architecture | None = None
    weights: Path | None = None
    digest: str = ""
    has_new_head: bool = False
    is_resized: bool = False

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

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes by index; empty if they are not known."""
        return tuple(self.config["pretrained_cfg"].get("label_names") or ())

    @property
    def readable_labels(self) -> tuple[str, ...]:
        """The classes for people, by index: their descriptions where there are some, else their names, else their indices."""
        if len(self.label_names) != self.num_classes:
            return tuple(map(str, range(self.num_classes)))
        described = self.config["pretrained_cfg"].get("label_descriptions")
        return tuple(described.get(name, name) for name in self.label_names) if isinstance(described, dict) else self.label_names

    def with_label_names(self, names: Sequence[str]) -> "ModelSpec":
        """Return the model with ``names`` for its classes, by index, where timm looks for them; none if ``names`` is empty.

        Descriptions of classes stay if their names do.
        """
        if tuple(names) == self.label_names:
            return self
        cfg = {key: value for key, value in self.config["pretrained_cfg"].items() if key not in _LABELS}
        labels = {"label_names": list(names)} if names else {}
        return replace(self, config={**self.config, "pretrained_cfg": cfg | labels})

    def with_arch(self, name: str, arch: Architecture) -> "ModelSpec":
        """Return ``arch`` as a model called ``name``, with the normalization, crop and class names of this one, and its weights.

        Below 128 pixels whole images are shown.
        """
        cfg, own = self.config["pretrained_cfg"], _pretrained_cfg(arch.timm_name)
        cropped = cfg if self.resolution >= _SMALL else {**cfg, "crop_pct": own.get("crop_pct", 1.0)}
        crop = {"crop_pct": 1.0} if arch.resolution < _SMALL else {}
        config = variant.config(arch.timm_name, arch.timm_args(), arch.resolution, {**cropped, **crop})
        changed = replace(self, name=name, arch=arch, config=to_lists(config))
        return changed if changed.num_classes == self.num_classes else changed.with_label_names(())

    def for_classes(self, names: Sequence[str], number: int) -> "ModelSpec":
        """Return the model for ``number`` other classes: with its weights, but for a new head."""
        return replace(_with_task(self, self.resolution, number), has_new_head=True).with_label_names(names)

    def build(self, **overrides: Any) -> nn.Module:
        """Build the network, with its weights where it has some; ``overrides`` go to timm's constructor (``drop_path_rate``).

        Raises:
            ScalerError: if the weights are missing, damaged or do not fit, or timm does not build the model so.
        """
        if self.digest:
            variant.check_weights(Path(self.name), self.digest)
        model = self._build(**overrides)
        if self.weights is not None:
            load_weights(model, self.weights, new_head=self.has_new_head, resized=self.is_resized)
        return model

    def without_weights(self) -> "ModelSpec":
        """Return the model with random weights."""
        return replace(self, weights=None, digest="", has_new_head=False, is_resized=False)

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
    return with_task(spec if keep_weights else spec.without_weights(), resolution, num_classes)


def pretrained_spec(name: str) -> ModelSpec:
    """Return timm's pretrained model ``name`` without its weights: with their classes, resolution, normalization and crop.

    Raises:
        UnknownNameError: if timm has no such model; the message suggests the closest names.
        ScalerError: if its images are not square.
    """
    require_timm_model(name)
    found = timm.get_pretrained_cfg(name)
    channels, height, width = found.input_size
    if height != width:
        raise ScalerError(f"{name} takes images of {width} x {height} pixels, and only square ones are supported: take another")
    seed = SEEDS.get(found.architecture)
    like = seed or TimmArch(model=found.architecture, resolution=height, in_chans=channels)
    arch = replace(like, resolution=height, num_classes=found.num_classes)
    mode = {} if found.crop_mode == "center" else {"crop_mode": found.crop_mode}
    cfg = {**_pretrained_cfg(name), **mode, **_imagenet_labels(found.num_classes)}
    config = variant.config(arch.timm_name, arch.timm_args(), height, cfg)
    return ModelSpec(name=name, config=to_lists(config), arch=arch)


def _imagenet_labels(num_classes: int) -> dict[str, Any]:
    """Return the names of ImageNet's classes as timm keeps them: synsets, and what they mean; empty for other class counts."""
    subset = infer_imagenet_subset({"num_classes": num_classes})
    if subset is None:
        return {}
    info = ImageNetInfo(subset)
    return {"label_names": list(info.label_names()), "label_descriptions": dict(info.label_descriptions(as_dict=True))}


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


def with_task(spec: ModelSpec, resolution: int | None, num_classes: int | None) -> ModelSpec:
    """Return the model at another resolution or class count where given.

    Raises:
        ScalerError: if it has weights of another class count.
    """
    if resolution in (None, spec.resolution) and num_classes in (None, spec.num_classes):
        return spec
    if spec.weights is not None and num_classes not in (None, spec.num_classes):
        raise ScalerError(f"{spec.name} was trained for {spec.num_classes} classes, not {num_classes}")
    return _with_task(spec, resolution or spec.resolution, num_classes or spec.num_classes)


def _with_task(spec: ModelSpec, resolution: int, num_classes: int) -> ModelSpec:
    """Return the model at ``resolution`` with ``num_classes``; weights of another resolution are resized."""
    is_resized = spec.is_resized or (spec.weights is not None and resolution != spec.resolution)
    resized = replace(spec, is_resized=is_resized)
    if spec.arch is None:
        return replace(resized, config=_changed_config(spec, resolution, num_classes))
    return resized.with_arch(spec.name, spec.arch.with_task(resolution=resolution, num_classes=num_classes))


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
