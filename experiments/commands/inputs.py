"""The commands that train and score: they open the data, the models and the backend, then hand over to the pipeline."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from experiments.data.augmentation import Augmentation
from experiments.data.datasets import ImageData, open_data
from experiments.logits import writer as writing
from experiments.logits.encoding import ENCODINGS
from experiments.logits.manifest import Manifest
from experiments.logits.store import Store
from experiments.recipes import Recipe, get_recipe
from experiments.report.frontier import frontier
from experiments.runtime.console import say
from experiments.runtime.setup import Setup, pick_device, processes
from experiments.scoring.backend import Teacher, TrainingBackend, evaluate_target
from experiments.scoring.records import note_of
from experiments.search import pipeline
from experiments.search.run_folder import Request, Search
from experiments.search.workers import crew
from models.networks.model_spec import Target, open_target
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError, UnknownNameError
from scaler.results import variant
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.pruning import rule as pruning_rule


def search(
    *,
    seed: str,
    budgets: tuple[str, ...],
    space: SearchSpace,
    sets: list[FeasibleSet],
    data: str,
    out: Path,
    teacher: str | None,
    logits: Path | None = None,
    strategy: str,
    trials: int,
    recipe: str,
    train_images: int | None,
    draw_seed: int,
    pruner: str = "none",
    first_rung: int | None = None,
    low_resolution: float = 1.0,
    finalists: int = 0,
    seeds: int = 2,
    workers: int = 1,
    loader_workers: int = 0,
    storage: str | None = None,
    words: Sequence[str] = (),
    as_worker: bool = False,
) -> list[dict[str, Any]]:
    """Run the search and draw its frontier; one row for each budget, with its variant's folder.

    With several ``workers``, each is a process that runs the command ``words`` with ``--as-worker``, which trains candidates of
    the search in ``out`` and returns nothing.

    Raises:
        ScalerError: several processes were launched; a candidate is trained by one.
    """
    if processes() > 1:
        raise ScalerError(f"a search under torchrun ({processes()} processes): start `scaler search` by itself")
    pruning_rule(pruner)
    store = open_logits(logits, teacher)
    images = _open_images(data, train_images, draw_seed, store)
    steps = replace(get_recipe(recipe), low_resolution=low_resolution)
    _check_first(first_rung, pruner, steps, images)
    guide = open_teacher(teacher, images)
    backend = _backend(images, recipe, steps, guide, store, loader_workers)
    request = Request(
        seed=seed, budgets=budgets, axes=space.axes(), data=data, train_images=train_images,
        teacher=guide.digest if guide else None, strategy=strategy, recipe=recipe, trials=trials, draw_seed=draw_seed,
        storage=storage, logits=store.manifest.digest if store else None, halving=pruner, first_rung=first_rung,
        low_resolution=low_resolution, finalists=finalists, seeds=seeds,
    )  # fmt: skip
    job = Search(request=request, out=out, space=space, sets=sets, backend=backend, say=say)
    if as_worker:
        pipeline.join(job)
        return []
    crewed = crew([*words, "--as-worker"], workers, trials, lambda study: pipeline.keep(study, out)) if workers > 1 else None
    chosen = pipeline.search(job, crewed)
    frontier([out], out / "frontier")
    return [{**asdict(c.record), "budget": c.budget, "folder": str(c.folder), "why": c.why} for c in chosen]


def train(
    name: str,
    *,
    data: str,
    out: Path,
    teacher: str | None = None,
    logits: Path | None = None,
    recipe: str = "small",
    epochs: int | None = None,
    batch_size: int | None = None,
    drop_path: float | None = None,
    resolution: int | None = None,
    train_images: int | None = None,
    seed: int = 0,
    workers: int = 0,
    setup: Setup | None = None,
) -> dict[str, Any]:
    """Train one target on all training images and score it on the test split; what is None is as the recipe says."""
    store = open_logits(logits, teacher)
    images = _open_images(data, train_images, seed, store)
    target = _target_for(name, resolution, images)
    changes: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "drop_path": drop_path}
    steps = replace(get_recipe(recipe), **{name: value for name, value in changes.items() if value is not None})
    backend = _backend(images, recipe, steps, open_teacher(teacher, images), store, workers, setup)
    before = variant.read_note(Path(name)) if Path(name).is_dir() else None
    note = note_of(target, before.seed if before else name, before.budget if before else "")
    record = pipeline.train(target, note, backend, out, seed=seed, role="seed" if name in SEEDS else "chosen")
    return asdict(record)


def evaluate(name: str, *, data: str, split: str, workers: int) -> dict[str, Any]:
    """Score a trained variant on a split of ``data``."""
    images = open_data(data)
    splits = {"test": images.test, "holdout": images.holdout, "train": images.train}
    if split not in splits:
        raise UnknownNameError("split", split, splits)
    target = open_target(name)
    _check_trained(target, images)
    metrics = evaluate_target(target, splits[split], pick_device(), workers)
    return {**asdict(metrics), "images_per_s": metrics.images_per_s, "split": split, "variant": name, "data": images.name}


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
    teacher, steps, final = _open_teacher(name, images), get_recipe(recipe), images.for_final_training()
    target = teacher.target
    manifest = Manifest(
        teacher=teacher.digest, resolution=target.resolution, mean=target.mean, std=target.std, num_classes=images.num_classes,
        topk=topk, temperature=steps.temperature, encoding=encoding, epochs=epochs, seed=seed, data=images.name,
        parts=final.parts, images=final.train.digest(), train_images=train_images,
        augmentation=Augmentation.of(steps, images.hflip), rows=writing.ROWS,
    )  # fmt: skip
    lesson = writing.Lesson(target=target, data=final, device=pick_device(), workers=workers)
    store = writing.teach(lesson, manifest, out, processes)
    return {**asdict(manifest), "digest": manifest.digest, "folder": str(out), "bytes_per_view": store.bytes_per_view}


def open_logits(folder: Path | None, teacher: str | None) -> Store | None:
    """The store in ``folder``, every file of it checked."""
    if folder is None:
        return None
    if teacher is not None:
        raise ScalerError("--teacher and --logits: give one of them, the model or what was stored of it")
    store = Store.open(folder)
    store.verify()
    return store


def _open_images(data: str, train_images: int | None, seed: int, store: Store | None) -> ImageData:
    """The data; with stored logits as they were when the teacher saw them: the same images held out, and as many of them."""
    if store is None:
        return open_data(data, train_images=train_images, seed=seed)
    return open_data(data, train_images=train_images or store.manifest.train_images, seed=store.manifest.seed)


def _backend(
    images: ImageData,
    name: str,
    recipe: Recipe,
    teacher: Teacher | None,
    store: Store | None,
    workers: int,
    setup: Setup | None = None,
) -> TrainingBackend:
    if store is not None:
        store.manifest.require_fit(images, recipe, store.folder)
    return TrainingBackend(images, name, recipe, teacher, logits=store, workers=workers, setup=setup)


def _check_first(images: int | None, pruner: str, recipe: Recipe, data: ImageData) -> None:
    if images is None:
        return
    if pruner == "none":
        raise ScalerError(f"--first-rung {images}: nothing is looked at without a pruner: add --pruner halving")
    batch = min(recipe.batch_size, len(data.train))
    seen = recipe.epochs * (len(data.train) // batch * batch)
    if not batch <= images < seen:
        raise ScalerError(
            f"--first-rung {images}: take at least {batch} images, an update's, and less than a training's {seen:,}"
        )


def open_teacher(name: str | None, images: ImageData) -> Teacher | None:
    """The trained model called ``name`` as a teacher for ``images``."""
    return None if name is None else _open_teacher(name, images)


def _open_teacher(name: str, images: ImageData) -> Teacher:
    target = open_target(name)
    _check_trained(target, images)
    return Teacher.of(target)


def _target_for(name: str, resolution: int | None, images: ImageData) -> Target:
    target = open_target(name, resolution=resolution)
    if target.weights is not None and target.num_classes != images.num_classes:
        raise ScalerError(f"{name} was trained for {target.num_classes} classes and {images.name} has {images.num_classes}")
    return open_target(name, resolution=resolution, num_classes=images.num_classes)


def _check_trained(target: Target, images: ImageData) -> None:
    if target.weights is None:
        raise ScalerError(f"{target.name} has no weights: train it first (`scaler train {target.name} --data ... --out DIR`)")
    if target.num_classes != images.num_classes:
        raise ScalerError(f"{target.name} tells {target.num_classes} classes apart and {images.name} has {images.num_classes}")
