"""Architectures as pictures need them: stages with their width, depth, map and sharing, and the cost of each part."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from models.zoo.families import FAMILIES, family
from scaler.cost.architecture import Architecture, parts_of
from scaler.errors import ScalerError

Stage = tuple[int, int, int, int]  # width, depth, side of the map in tokens, passes per block
Cost = tuple[int, int]  # FLOPs, parameters
_STRIDE = 4  # of a stem whose architecture does not name its patches' size
_STAGE = re.compile(r"(?:stages|layers)\.(\d+)\.")


def stages_of(arch: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Return the stages of an architecture in JSON form; none if it does not name widths and depths."""
    depths = _numbers(arch.get("depths", arch.get("depth")))
    widths = _numbers(arch.get("embed_dims", arch.get("dims", arch.get("embed_dim"))))
    if len(widths) == 1 < len(depths):
        widths = [widths[0] * 2**i for i in range(len(depths))]  # as Swin's, whose width doubles from stage to stage
    if not depths or len(widths) != len(depths):
        return ()
    shares = (_numbers(arch.get("share")) or [1]) * len(depths)
    sides = [_side(arch, i) for i in range(len(depths))]
    return tuple(zip(widths, depths, sides, shares[: len(depths)], strict=True))


def _numbers(value: Any) -> list[int]:
    values = value if isinstance(value, list | tuple) else [value]
    return list(values) if all(isinstance(entry, int) and entry > 0 for entry in values) else []


def _side(arch: Mapping[str, Any], stage: int) -> int:
    resolution, stride = arch.get("resolution"), arch.get("patch_size", _STRIDE)
    if not isinstance(resolution, int) or not isinstance(stride, int) or stride < 1:
        return 0
    return max(1, -(-resolution // (stride * 2**stage)))


def parts_by_stage(family_name: str, arch: Mapping[str, Any]) -> dict[str, Cost]:
    """Return the FLOPs and parameters of the stem, of each stage and of the head; empty for a family without parts."""
    found: dict[str, Cost] = {}
    for part in _parts(architecture(family_name, arch)):
        flops, params = part.total
        before = found.get(name := _group(part.name), (0, 0))
        found[name] = (before[0] + int(flops), before[1] + int(params))
    return found


def architecture(family_name: str, arch: Mapping[str, Any]) -> Architecture | None:
    """Return an architecture from its JSON form; None for a family that is not known or another form."""
    if family_name not in FAMILIES or family_name == "timm":
        return None
    try:
        return family(family_name).from_dict(dict(arch))
    except (ScalerError, TypeError):
        return None


def _parts(arch: Architecture | None) -> Sequence[Any]:
    return parts_of(arch) if arch is not None else ()


def _group(part: str) -> str:
    """Return the group of a part: a plain vision transformer has one stage, which is split into attention and MLP."""
    if match := _STAGE.match(part):
        return f"stage {int(match[1]) + 1}"
    if part.startswith("blocks."):
        return "MLP" if ".mlp" in part or ".norm2" in part else "attention"
    return "stem" if part.startswith(("patch_embed", "pos", "cls")) else "head"
