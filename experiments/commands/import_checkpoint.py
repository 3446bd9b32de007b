"""`scaler import`: turn a published checkpoint into a variant's folder."""

from pathlib import Path
from typing import Any

from experiments.options.train import ImportOptions
from experiments.runtime.console import say
from experiments.scoring.records import variant_info
from models.checkpoints import files
from models.checkpoints.fitting import fit
from models.checkpoints.resize import AllowedChanges
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError


def import_checkpoint(options: ImportOptions) -> dict[str, Any]:
    """Write the tensors of a checkpoint as a variant of a named model.

    ``resolution`` allows position tables to be resized to the model's, ``num_classes`` another head, and ``class_map`` (a file
    with a line for each class: its row in the file's head, or -1) gives the rows of the head.

    Raises:
        ScalerError: if the file cannot be read or does not fit, or ``out`` is not empty; nothing is written then.
    """
    out, model, resolution, num_classes = options.out, options.model, options.resolution, options.num_classes
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ScalerError(f"{out} is there and not an empty folder: give a new one for --out")
    spec = open_model_spec(model, resolution=resolution, num_classes=num_classes).without_weights()
    rows = _class_map(options.class_map, spec.num_classes) if options.class_map else None
    found = files.read(options.checkpoint)
    network = spec.build()
    changes = AllowedChanges(tables=resolution is not None, classes=num_classes is not None, class_map=rows)
    fitted = fit(network, found.tensors, changes, model)
    network.load_state_dict(fitted.state)
    note = variant_info(spec, model)
    spec.write(out, note, network.state_dict())
    _tell(found, fitted.changed)
    return {
        "folder": str(out), "model": model, "layout": fitted.layout, "tensors": len(fitted.state), "changed": fitted.changed,
        "resolution": spec.resolution, "num_classes": spec.num_classes, "flops": note.flops, "params": note.params,
    }  # fmt: skip


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
