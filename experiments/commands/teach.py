"""`scaler teach`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.commands.inputs import open_trained
from experiments.data.augmentation import Augmentation
from experiments.data.datasets import open_data
from experiments.logits import writer as writing
from experiments.logits.encoding import ENCODINGS
from experiments.logits.manifest import Manifest
from experiments.losses.teacher import weights_digest
from experiments.recipes import get_recipe
from experiments.runtime.processes import pick_device
from scaler.errors import ScalerError, UnknownNameError


def teach(
    name: str,
    *,
    data: str,
    epochs: int,
    topk: int,
    out: Path,
    recipe: str = "small",
    encoding: str = "compact",
    train_images: int | None = None,
    seed: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> dict[str, Any]:
    """Store the answers of the trained model called ``name`` to every view of ``epochs`` epochs."""
    if encoding not in ENCODINGS:
        raise UnknownNameError("encoding", encoding, ENCODINGS)
    images = open_data(data, train_images=train_images, seed=seed)
    if topk > images.num_classes:
        raise ScalerError(f"--topk {topk}: {images.name} has {images.num_classes} classes, of which {topk} cannot be kept")
    spec, steps, final = open_trained(name, images), get_recipe(recipe), images.for_final_training()
    manifest = Manifest(
        teacher=weights_digest(spec), resolution=spec.resolution, mean=spec.mean, std=spec.std, num_classes=images.num_classes,
        topk=topk, temperature=steps.temperature, encoding=encoding, epochs=epochs, seed=seed, data=images.name,
        parts=final.parts, images=final.train.digest(), train_images=train_images,
        augmentation=Augmentation.of(steps, images.hflip), rows=writing.ROWS,
    )  # fmt: skip
    writer = writing.LogitsWriter(spec=spec, data=final, device=pick_device(), workers=workers)
    store = writing.write_store(writer, manifest, out, processes)
    return {**asdict(manifest), "digest": manifest.digest, "folder": str(out), "bytes_per_view": store.bytes_per_view}
