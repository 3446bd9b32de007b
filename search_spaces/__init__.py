"""What may shrink, by family. `open_space` makes the space around any seed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.zoo.families import family
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError, UnknownNameError
from scaler.results import variant
from scaler.space.search_space import SearchSpace
from search_spaces import any_timm, deit, swin, tiny_vit

SPACES: dict[str, Callable[[str, Any, dict[str, Any] | None], SearchSpace]] = {
    "tiny_vit": tiny_vit.space,
    "deit": deit.space,
    "swin": swin.space,
    "mini_tiny_vit": tiny_vit.space,
    "mini_deit": deit.space,
    "mini_swin": swin.space,
    "timm": any_timm.space,
}


def open_space(name: str, *, axes: Path | None = None, num_classes: int | None = None) -> SearchSpace:
    """The space around the seed called ``name``, or around the architecture in a variant's folder of that name.

    Args:
        axes: a JSON file that replaces the axes that it names.
        num_classes: of the task; the seed's own where None.

    Raises:
        ScalerError: the seed is unknown, its family has no space, or the axes are malformed.
    """
    arch = architecture(name)
    changes = None if axes is None else _read_axes(axes)
    if num_classes is not None:
        arch = replace(arch, num_classes=num_classes)  # type: ignore[type-var]
    if arch.family not in SPACES:
        raise UnknownNameError("space", arch.family, SPACES)
    return SPACES[arch.family](name, arch, changes)


def architecture(name: str) -> Architecture:
    """The architecture of a seed's name, of a variant's folder, or of any timm model."""
    if name in SEEDS:
        return SEEDS[name]
    note = variant.read_info(Path(name)) if Path(name).is_dir() else None
    return family(note.family).from_dict(dict(note.arch)) if note else any_timm.seed(name, list(SEEDS))


def _read_axes(path: Path) -> dict[str, Any]:
    rule = 'it takes a JSON object of axes, such as {"depths": [[1, 2], [1, 2], [2, 4], [1, 2]], "mlp_ratio": [3, 4]}'
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScalerError(f"cannot read the axes in {path} ({error}): {rule}") from error
    if not isinstance(data, dict):
        raise ScalerError(f"the axes in {path} are not an object: {rule}")
    return data
