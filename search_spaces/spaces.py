"""The search spaces, by family. `open_space` makes the space around any seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.zoo.families import read_architecture
from models.zoo.names import SeedName, TimmName, VariantFolder, resolve_model_name
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import Architecture
from scaler.errors import UnknownNameError
from scaler.json_files import read_json
from scaler.results.variant import read_config
from scaler.space.search_space import SearchSpace
from search_spaces import any_timm, deit, swin, tiny_vit

Axes = Path | dict[str, Any]

SPACES: dict[str, Callable[[str, Any, dict[str, Any] | None], SearchSpace]] = {
    "tiny_vit": tiny_vit.space,
    "deit": deit.space,
    "swin": swin.space,
    "mini_tiny_vit": tiny_vit.space,
    "mini_deit": deit.space,
    "mini_swin": swin.space,
    "timm": any_timm.space,
}


def open_space(name: str, *, axes: Axes | None = None, num_classes: int | None = None) -> SearchSpace:
    """Return the space around the model called ``name``, or around the architecture in a variant's folder of that name.

    Args:
        axes: a JSON file, or its content, that replaces the axes that it names.
        num_classes: of the task; the model's own where None.

    Raises:
        ScalerError: if the model is unknown, its family has no space, or the axes are malformed.
    """
    arch = architecture(name).with_task(num_classes=num_classes)
    changes = _read_axes(axes) if isinstance(axes, Path) else axes
    if arch.family not in SPACES:
        raise UnknownNameError("space", arch.family, SPACES)
    return SPACES[arch.family](name, arch, changes)


def architecture(name: str) -> Architecture:
    """Return the architecture of a seed, of the variant in a folder, or of any timm model.

    Raises:
        UnknownNameError: if ``name`` names no model.
        ScalerError: if it is a folder that is not a variant's.
    """
    match resolve_model_name(name):
        case SeedName(name=seed):
            return SEEDS[seed]
        case VariantFolder(folder=folder):
            return _noted(folder)
        case TimmName(name=model):
            return any_timm.architecture(model)


def _noted(folder: Path) -> Architecture:
    """Return the architecture that a variant notes; for a folder that only timm knows, that of its configuration."""
    return read_architecture(folder) or any_timm.configured(folder, read_config(folder))


def _read_axes(path: Path) -> dict[str, Any]:
    rule = 'it takes a JSON object of axes, such as {"depths": [[1, 2], [1, 2], [2, 4], [1, 2]], "mlp_ratio": [3, 4]}'
    return read_json(path, dict[str, Any], rule)
