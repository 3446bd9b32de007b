"""`scaler import`: turn pretrained weights into a variant's folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from experiments.options.train import ImportOptions
from experiments.runtime.console import say
from experiments.scoring.records import variant_info
from models.checkpoints import files
from models.checkpoints.fitting import FittedState, fit
from models.checkpoints.positions import rename_by_position
from models.checkpoints.resize import AllowedChanges
from models.checkpoints.timm_hub import read_pretrained
from models.networks.model_spec import ModelSpec, open_model_spec, pretrained_spec, with_task
from models.zoo.names import TimmName, resolve_model_name
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError

_TIMM = "timm:"


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The model that weights are of, and their tensors."""

    spec: ModelSpec
    found: files.Checkpoint


def import_checkpoint(options: ImportOptions) -> dict[str, Any]:
    """Write pretrained weights of timm's, or the tensors of a checkpoint of a named model, as a variant.

    ``resolution`` allows position tables to be resized to the model's, ``num_classes`` another head, and ``class_map`` (a file
    with a line for each class: its row in the file's head, or -1) gives the rows of the head.

    Raises:
        ScalerError: if the weights cannot be read or do not fit, or ``out`` is not empty; nothing is written then.
    """
    out = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ScalerError(f"{out} is there and not an empty folder: give a new one for --out")
    source = _of_timm(options) if str(options.checkpoint).startswith(_TIMM) else _of_file(options)
    spec = _with_input(with_task(source.spec, options.resolution, options.num_classes), options)
    network = spec.build()
    fitted = _fitted(network, source, spec, options)
    network.load_state_dict(fitted.state)
    note = variant_info(spec, spec.name, role="seed" if spec.name in SEEDS else "variant")
    spec.write(out, note, network.state_dict())
    _tell(source.found, fitted.changed)
    return {
        "folder": str(out), "model": spec.name, "layout": fitted.layout, "tensors": len(fitted.state), "changed": fitted.changed,
        "resolution": spec.resolution, "num_classes": spec.num_classes, "flops": note.flops, "params": note.params,
    }  # fmt: skip


def _of_timm(options: ImportOptions) -> _Source:
    if options.model or options.by_position:
        raise ScalerError(f"{options.checkpoint} names its model: leave out --model and --by-position, which are for files")
    name = str(options.checkpoint).removeprefix(_TIMM)
    return _Source(spec=pretrained_spec(name), found=read_pretrained(name))


def _of_file(options: ImportOptions) -> _Source:
    """Return a file's tensors, with the model that --model names; a tag there tells the classes and the input too."""
    if options.model is None:
        raise ScalerError(f"--model: name the seed or timm model that {options.checkpoint} holds")
    model = options.model.removeprefix(_TIMM)
    is_tagged = "." in model and isinstance(resolve_model_name(model), TimmName)
    spec = pretrained_spec(model) if is_tagged else open_model_spec(model).without_weights()
    return _Source(spec=spec, found=files.read(Path(options.checkpoint)))


def _fitted(network: nn.Module, source: _Source, spec: ModelSpec, options: ImportOptions) -> FittedState:
    rows = _class_map(options.class_map, spec.num_classes) if options.class_map else None
    changes = AllowedChanges(tables=options.resolution is not None, classes=options.num_classes is not None, class_map=rows)
    if not options.by_position:
        return fit(network, source.found.tensors, changes, spec.name)
    tensors = rename_by_position(source.found.tensors, network.state_dict(), spec.name)
    fitted = replace(fit(network, tensors, changes, spec.name), layout="positional")
    say(f"{len(tensors)} tensors taken by their order; kinds and shapes agree, names were not compared")
    return fitted


def _with_input(spec: ModelSpec, options: ImportOptions) -> ModelSpec:
    given = {"mean": options.mean, "std": options.std}
    named = {name: _channels(f"--{name}", text) for name, text in given.items() if text is not None}
    if "std" in named and min(named["std"]) <= 0:
        raise ScalerError(f"--std {options.std}: it must be above 0")
    return replace(spec, config={**spec.config, "pretrained_cfg": {**spec.config["pretrained_cfg"], **named}})


def _channels(flag: str, text: str) -> list[float]:
    """Read one number for all three channels, or one for each."""
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError as error:
        raise ScalerError(f"{flag} {text}: write one number, or three with commas between them") from error
    if len(values) not in (1, 3) or not all(abs(value) <= 1 for value in values):
        raise ScalerError(f"{flag} {text}: write one number from 0 to 1, or three with commas between them")
    return values * (3 // len(values))


def _tell(found: files.Checkpoint, changed: list[str]) -> None:
    if found.others:
        say(f"taken from {found.wrapper!r}; the file also has weights under {', '.join(map(repr, found.others))}")
    for line in changed:
        say(line)


def _class_map(path: Path, num_classes: int) -> list[int]:
    try:
        rows = [int(line) for line in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError) as error:
        raise ScalerError(f"cannot read the class map {path} ({error}): it has an integer for each class, one a line") from error
    if len(rows) != num_classes or min(rows) < -1 or max(rows) < 0:
        raise ScalerError(f"{path} has {len(rows)} rows for {num_classes} classes: one for each, -1 or above, not all -1")
    return rows
