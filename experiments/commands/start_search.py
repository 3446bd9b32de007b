"""A feasible search: its inputs are opened, its candidates trained here or by workers, its frontier drawn."""

from dataclasses import replace

from experiments.commands.feasible_sets import feasible_sets
from experiments.commands.inputs import Inputs, make_backend, open_inputs, recipe_of
from experiments.commands.open_start import open_start
from experiments.commands.teacher_remark import remark_on_teacher
from experiments.data.bad_images import record_skipped
from experiments.data.image_set import ImageData
from experiments.options.search import STORAGE_VARIABLE, SearchOptions
from experiments.recipes import Recipe
from experiments.runtime.console import say
from experiments.runtime.determinism import deterministic_algorithms
from experiments.runtime.parent import end_with_parent
from experiments.runtime.processes import world_size
from experiments.runtime.shares import using_threads
from experiments.scoring.start import INHERITED, RANDOM
from experiments.search.pipeline import join_search, run_search
from experiments.search.run_folder import SearchContext
from experiments.search.selection import Chosen
from experiments.search.shares import SearchShares, shares_of
from experiments.search.workers import TrainAll, spawn_workers
from scaler.errors import ScalerError
from scaler.lock import only_process_in
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace

Problem = tuple[SearchSpace, list[FeasibleSet]]


def start_search(options: SearchOptions, problem: Problem | None) -> list[Chosen]:
    """Run or join the search of ``options``; see `experiments.commands.search.search`.

    Args:
        options: the request.
        problem: the space and its feasible sets; None if only the opened images tell the number of classes.
    """
    if world_size() > 1:
        raise ScalerError(f"a search under torchrun ({world_size()} processes): start `scaler search` by itself")
    if options.as_worker:
        end_with_parent()
    inputs = open_inputs(options)
    problem = problem or feasible_sets(options, inputs.images.num_classes)
    recipe, images = recipe_of(options), len(inputs.images.train)
    _check_first_rung(options, recipe, images)
    shares = shares_of(options, problem[1], min(recipe.batch_size, images))
    with using_threads(shares.threads), deterministic_algorithms(options.deterministic):
        return _run(_context(options, problem, inputs, shares), shares, inputs.images)


def _run(context: SearchContext, shares: SearchShares, images: ImageData) -> list[Chosen]:
    options = context.options
    if options.as_worker:
        join_search(context)
        return []
    remark_on_teacher(options.teacher, images.num_classes)
    with only_process_in(options.out):
        say(shares.summary)
        chosen = run_search(context, _workers(context, shares) if len(shares.workers) > 1 else None)
        record_skipped(images.skipped, options.out)
        from experiments.report.frontier import write_frontier  # loads Matplotlib, which workers do without

        write_frontier([options.out], options.out / "frontier")
    return chosen


def _context(options: SearchOptions, problem: Problem, inputs: Inputs, shares: SearchShares) -> SearchContext:
    space, sets = problem
    start = open_start(options, inputs.images, space)
    backend = make_backend(options, inputs, start)
    resolved = {
        "axes": space.axes(),
        "teacher": inputs.teacher.digest if inputs.teacher else None,
        "logits": inputs.store.manifest.digest if inputs.store else None,
        "start": INHERITED if start else RANDOM,
        "start_weights": start.digest if start else None,
        "threads": shares.threads,
        "lag": shares.lag,
    }
    return SearchContext(options=options, resolved=resolved, space=space, sets=sets, backend=backend, say=say, start=start)


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


def _workers(context: SearchContext, shares: SearchShares) -> TrainAll:
    """Return a function that has several processes train candidates until the study is finished."""
    options = context.options
    words = ["search", *replace(options, as_worker=True, workers=1, storage=None).words()]
    # The storage's URL may hold a password, and every user of a machine sees the command lines of its processes.
    variables = {STORAGE_VARIABLE: options.storage} if options.storage else {}
    return spawn_workers(words, shares.workers, options.trials, context.trial_rows.sync, variables)
