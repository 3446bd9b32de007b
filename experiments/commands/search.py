"""`scaler search`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.commands.inputs import make_backend, open_images, open_logits, open_teacher
from experiments.data.image_set import ImageData
from experiments.recipes import Recipe, get_recipe
from experiments.report.frontier import write_frontier
from experiments.runtime.console import say
from experiments.runtime.processes import world_size
from experiments.search import pipeline
from experiments.search.request import Request
from experiments.search.run_folder import SearchContext
from experiments.search.workers import spawn_workers
from scaler.errors import ScalerError
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
    if world_size() > 1:
        raise ScalerError(f"a search under torchrun ({world_size()} processes): start `scaler search` by itself")
    pruning_rule(pruner)
    store = open_logits(logits, teacher)
    images = open_images(data, train_images, draw_seed, store)
    steps = replace(get_recipe(recipe), low_resolution=low_resolution)
    _check_first(first_rung, pruner, steps, images)
    guide = open_teacher(teacher, images)
    backend = make_backend(images, recipe, steps, guide, store, loader_workers)
    request = Request(
        seed=seed, budgets=budgets, axes=space.axes(), data=data, train_images=train_images,
        teacher=guide.digest if guide else None, strategy=strategy, recipe=recipe, trials=trials, draw_seed=draw_seed,
        storage=storage, logits=store.manifest.digest if store else None, halving=pruner, first_rung=first_rung,
        low_resolution=low_resolution, finalists=finalists, seeds=seeds,
    )  # fmt: skip
    job = SearchContext(request=request, out=out, space=space, sets=sets, backend=backend, say=say)
    if as_worker:
        pipeline.join_search(job)
        return []
    crewed = (
        spawn_workers([*words, "--as-worker"], workers, trials, lambda study: pipeline.sync_ledger(study, out))
        if workers > 1
        else None
    )
    chosen = pipeline.run_search(job, crewed)
    write_frontier([out], out / "frontier")
    return [{**c.record.row(), "budget": c.budget, "folder": str(c.folder), "why": c.why} for c in chosen]


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
