"""`scaler count`: fvcore's count of anything that can be built, and where it goes."""

from typing import Any

from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.cost.architecture import parts_of
from scaler.errors import ScalerError


def count_model(name: str, resolution: int | None, num_classes: int | None, parts: bool) -> dict[str, Any]:
    """What ``name`` costs; with ``parts`` also each of its parts, whose sums are the totals."""
    spec = open_model_spec(name, resolution=resolution, num_classes=num_classes)
    cost = spec.count()
    found: dict[str, Any] = {**cost._asdict(), "target": name, "resolution": spec.resolution, "num_classes": spec.num_classes}
    return found | {"parts": _parts(spec)} if parts else found


def _parts(spec: ModelSpec) -> list[dict[str, Any]]:
    if spec.arch is None:
        raise ScalerError(f"{spec.name} has no table of parts: only the families of `scaler list families` describe theirs")
    rows = []
    for part in parts_of(spec.arch):
        flops, params = part.total
        rows.append({"name": part.name, "times": part.times, "flops": flops, "params": params})
    return rows
