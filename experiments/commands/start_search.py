"""A feasible search: its inputs are opened, its candidates trained here or by workers, its frontier drawn."""

from dataclasses import replace
from pathlib import Path

from experiments.commands.chosen_recipe import recipe_of
from experiments.commands.feasible_sets import feasible_sets
from experiments.commands.inputs import Inputs, make_backend, open_inputs
from experiments.commands.open_start import open_start
from experiments.commands.teacher_remark import remark_on_teacher
from experiments.data.bad_images import record_skipped
from experiments.data.image_set import ImageData
from experiments.options.search import ELASTIC_SCORE, SearchOptions
from experiments.recipes import Recipe
from experiments.runtime.console import say
from experiments.runtime.determinism import deterministic_algorithms
from experiments.runtime.parent import end_with_parent, wait_for_parent
from experiments.runtime.processes import world_size
from experiments.runtime.shares import using_threads
from experiments.scoring.elastic import MemberBackend
from experiments.scoring.score import Backend
from experiments.scoring.start import INHERITED, RANDOM, InheritedStart
from experiments.search.pipeline import join_search, run_search
from experiments.search.run_folder import SearchContext
from experiments.search.selection import Chosen
from experiments.search.shares import SearchShares
from experiments.search.workers import Workers
from scaler.errors import ScalerError
from scaler.lock import only_process_in
from scaler.results.variant import TrainedOn, read_info
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.storage import storage_errors

Problem = tuple[SearchSpace, list[FeasibleSet]]


def start_search(options: SearchOptions, problem: Problem | None, workers: Workers) -> list[Chosen]:
    """Run or join the search of ``options``; see `experiments.commands.search.search`.

    Args:
        options: the request.
        problem: the space and its feasible sets; None if only the opened images tell the number of classes.
        workers: its processes, started or not.
    """
    if world_size() > 1:
        raise ScalerError(f"a search under torchrun ({world_size()} processes): start `scaler search` by itself")
    if options.as_worker:
        end_with_parent()
    inputs = open_inputs(options)
    problem = problem or feasible_sets(options, inputs.images.num_classes)
    recipe = recipe_of(options)
    _check_first_rung(options, recipe, len(inputs.images.train))
    if options.as_worker:
        wait_for_parent()
    shares = workers.start(problem[1], recipe.batch_size)
    with using_threads(shares.threads), deterministic_algorithms(options.deterministic), storage_errors():
        return _run(_context(options, problem, inputs, shares), workers, inputs.images)


def _run(context: SearchContext, workers: Workers, images: ImageData) -> list[Chosen]:
    options = context.options
    if options.as_worker:
        join_search(context)
        return []
    remark_on_teacher(options.teacher, images.num_classes)
    with only_process_in(options.out):
        say(workers.shares.summary)
        chosen = run_search(context, workers.train_all(context.extent, context.trial_rows.sync))
        record_skipped(images.skipped, options.out)
        from experiments.report.frontier import write_frontier  # loads Matplotlib, which workers do without

        write_frontier([options.out], options.out / "frontier")
    return chosen


def _context(options: SearchOptions, problem: Problem, inputs: Inputs, shares: SearchShares) -> SearchContext:
    space, sets = problem
    start = open_start(options, inputs.images, space)
    backend = _backend(options, inputs, start)
    final = make_backend(replace(options, recipe=options.final_recipe), inputs, start) if options.final_recipe else None
    resolved = {
        "axes": space.axes(),
        "teacher": inputs.teacher.digest if inputs.teacher else None,
        "logits": inputs.store.manifest.digest if inputs.store else None,
        "holdout_share": inputs.images.holdout_share,
        "start": INHERITED if start else RANDOM,
        "start_weights": start.digest if start else None,
        "threads": shares.threads,
        "lag": shares.lag,
    }
    return SearchContext(
        options=options,
        resolved=resolved,
        space=space,
        sets=sets,
        backend=backend,
        say=say,
        start=start,
        final_backend=final,
    )


def _backend(options: SearchOptions, inputs: Inputs, start: InheritedStart | None) -> Backend:
    if options.score != ELASTIC_SCORE or start is None:
        return make_backend(options, inputs, start)
    if not options.as_worker:
        _tell_split(options, inputs)
    return MemberBackend(inputs.images, start, options.loader_workers or 0)


def _tell_split(options: SearchOptions, inputs: Inputs) -> None:
    """Print a line if the held-out images may be among those that the elastic seed was trained on."""
    info, images = read_info(Path(options.seed_model)), inputs.images
    trained_on = info.trained_on if info else TrainedOn()
    same = TrainedOn(
        part="train", data=images.name, train_images=images.train_images, seed=images.seed, holdout_share=images.holdout_share
    )
    if trained_on != same:
        say(f"{options.seed_model} was trained on another part of the images: held-out ones may be among them")


def _check_first_rung(options: SearchOptions, recipe: Recipe, images: int) -> None:
    if options.first_rung is None:
        return
    if options.pruner == "none":
        raise ScalerError(f"--first-rung {options.first_rung}: nothing is looked at without a pruner: add --pruner halving")
    batch = min(recipe.batch_size, images)
    seen = recipe.epochs * (images // batch * batch)
    if not batch <= options.first_rung < seen:
        raise ScalerError(
            f"--first-rung {options.first_rung}: take at least {batch} images, an update's, and less than a training's {seen:,}"
        )
