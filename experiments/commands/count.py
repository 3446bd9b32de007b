"""`scaler count`: fvcore's count of anything that can be built, and where it goes."""

from typing import Any

from models.networks.model_spec import Target, open_target
from scaler.cost.architecture import parts_of
from scaler.errors import ScalerError


def breakdown(name: str, resolution: int | None, num_classes: int | None, parts: bool) -> dict[str, Any]:
    """What ``name`` costs; with ``parts`` also each of its parts, whose sums are the totals."""
    target = open_target(name, resolution=resolution, num_classes=num_classes)
    cost = target.count()
    found: dict[str, Any] = {**cost._asdict(), "target": name, "resolution": target.resolution, "num_classes": target.num_classes}
    return found | {"parts": _parts(target)} if parts else found


def _parts(target: Target) -> list[dict[str, Any]]:
    if target.arch is None:
        raise ScalerError(f"{target.name} has no table of parts: only the families of `scaler list families` describe theirs")
    rows = []
    for part in parts_of(target.arch):
        flops, params = part.total
        rows.append({"name": part.name, "times": part.times, "flops": flops, "params": params})
    return rows
