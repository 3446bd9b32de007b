"""The software and the machine of a run, for its record."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from experiments.runtime.processes import pick_device

_PACKAGES = ("vit-scaler", "torch", "timm", "optuna")


def environment() -> dict[str, str]:
    """Return versions, processor and device by name."""
    versions = {name: _version(name) for name in _PACKAGES}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return {"python": platform.python_version(), **versions, "machine": machine, "device": _device()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device() -> str:
    import torch

    device = pick_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
