"""`scaler teach`: a teacher's logits stored for its students."""

from dataclasses import asdict
from typing import Any

from experiments.commands.inputs import require_trained
from experiments.data.augmentation import Augmentation
from experiments.data.bad_images import record_skipped
from experiments.data.datasets import open_data
from experiments.logits.manifest import Manifest
from experiments.logits.writer import BATCH, ROWS, LogitsWriter, write_store
from experiments.losses.teacher import weights_digest
from experiments.options.train import TeachOptions
from experiments.recipes import get_recipe
from experiments.runtime.determinism import deterministic_algorithms
from experiments.runtime.processes import pick_device
from experiments.runtime.shares import cores, loaders_beside, threads_for, using_threads
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError
from scaler.lock import only_process_in


def teach(options: TeachOptions) -> dict[str, Any]:
    """Store the logits of a trained model for every view of some epochs; return the manifest."""
    skip_bad = options.on_bad_image == "skip"
    images = open_data(options.data, train_images=options.train_images, seed=options.seed, skip_bad=skip_bad)
    topk = options.topk or _default_topk(images.num_classes)
    if topk > images.num_classes:
        raise ScalerError(f"--topk {topk}: {images.name} has {images.num_classes} classes, of which {topk} cannot be kept")
    spec, recipe, final = open_model_spec(options.teacher), get_recipe(options.recipe), images.for_final_training()
    require_trained(spec, images)
    manifest = Manifest(
        teacher=weights_digest(spec),
        resolution=spec.resolution,
        mean=spec.mean,
        std=spec.std,
        num_classes=images.num_classes,
        topk=topk,
        temperature=recipe.temperature,
        encoding=options.encoding,
        epochs=options.epochs or recipe.epochs,
        seed=options.seed,
        data=images.name,
        parts=final.parts,
        images=final.train.digest(),
        train_images=options.train_images,
        augmentation=Augmentation.of(recipe, images.hflip),
        rows=ROWS,
    )
    threads = threads_for(spec.count().flops * BATCH, cores())
    writer = LogitsWriter(spec=spec, data=final, device=pick_device(), workers=_loaders(options, threads))
    with using_threads(threads), deterministic_algorithms(options.deterministic), only_process_in(options.out):
        store = write_store(writer, manifest, options.out, options.processes)
        record_skipped(images.skipped, options.out)
    named = {"digest": manifest.digest, "folder": str(options.out), "bytes_per_view": store.bytes_per_view}
    return asdict(manifest) | named


def _loaders(options: TeachOptions, threads: int) -> int:
    if options.loader_workers is not None:
        return options.loader_workers
    return loaders_beside(threads, cores()) if options.processes == 1 else 0


def _default_topk(num_classes: int) -> int:
    """Return the number of logits to keep: as TinyViT's authors do, 10 of 1,000 classes and 100 of 21,841."""
    return min(num_classes, 10 if num_classes <= 1000 else 100)
