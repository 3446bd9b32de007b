"""Drawn architectures as variants, each built and counted by fvcore."""

from collections.abc import Sequence
from pathlib import Path

from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError


def write_samples(archs: Sequence[Architecture], out: Path, seed_model: str, budget: str) -> list[Path]:
    """Write each architecture to a folder of its own in ``out``; return the folders.

    Raises:
        ScalerError: if ``out`` is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ScalerError(f"{out} is there and not an empty folder: give a new one for --out")
    folders = [out / f"sample-{number:04d}" for number in range(len(archs))]
    for arch, folder in zip(archs, folders, strict=True):
        spec = model_spec_of(folder.name, arch)
        spec.write(folder, variant_info(spec, seed_model, budget))
    return folders
