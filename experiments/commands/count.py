"""`scaler count`: fvcore's count of any model, by part where the family describes its parts."""

from typing import Any

from experiments.options.inspect import CountOptions
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.cost.architecture import parts_of
from scaler.errors import ScalerError


def count(options: CountOptions) -> dict[str, Any]:
    """Return FLOPs and parameters; with ``parts`` also those of each part, which sum to the totals."""
    spec = open_model_spec(options.target, resolution=options.resolution, num_classes=options.num_classes, keep_weights=False)
    found: dict[str, Any] = {
        **spec.count()._asdict(),
        "target": options.target,
        "resolution": spec.resolution,
        "num_classes": spec.num_classes,
    }
    return found | {"parts": _parts(spec)} if options.parts else found


def _parts(spec: ModelSpec) -> list[dict[str, Any]]:
    if spec.arch is None:
        raise ScalerError(f"{spec.name} has no table of parts: only the families of `scaler list families` describe theirs")
    rows = []
    for part in parts_of(spec.arch):
        flops, params = part.total
        rows.append({"name": part.name, "times": part.times, "flops": flops, "params": params})
    return rows
