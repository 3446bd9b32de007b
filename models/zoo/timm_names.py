"""The names of timm's models, told without loading timm once they are in the user's cache."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from scaler.errors import ScalerError
from scaler.files import cache_folder
from scaler.json_files import read_sealed, write_sealed

# The errors of a cache that cannot be had: no folder, no home to make it in, no JSON.
_NO_CACHE = (ScalerError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True, kw_only=True)
class _Names:
    """The content of the cache."""

    names: list[str]


def is_timm_model(name: str) -> bool:
    """Return True if timm builds a model called ``name``, with a tag of pretrained weights or without."""
    return name in timm_model_names() or _is_registered(name)


def timm_model_names() -> list[str]:
    """Return the names of timm's own models, sorted, tagged ones (``resnet18.a1_in1k``) and deprecated ones included."""
    return _read() or _ask_timm()


def _read() -> list[str]:
    with suppress(*_NO_CACHE):
        return read_sealed(_path(), _Names, "delete it, and it is made again").names
    return []


def _ask_timm() -> list[str]:
    """Load timm, which takes seconds, and keep its names in the cache."""
    import timm  # loads torch

    listed = {*timm.list_models(include_tags=True), *filter(timm.is_model, dir(timm.models))}
    names = sorted(name for name in listed if timm.model_entrypoint(name).__module__.startswith("timm."))
    with suppress(*_NO_CACHE):
        write_sealed(_path(), _Names(names=names))
    return names


def _is_registered(name: str) -> bool:
    """Return True if this process registered ``name`` with timm (`timm.register_model`), which is then loaded."""
    timm = sys.modules.get("timm")
    if timm is None or not timm.is_model(name):
        return False
    return "." not in name or name in timm.list_models(include_tags=True)


def _path() -> Path:
    return cache_folder() / f"timm-{version('timm')}-models.json"
