"""A feasible search: its inputs are opened, its candidates trained here or by workers, its frontier drawn."""

from dataclasses import replace

from experiments.commands.feasible_sets import feasible_sets
from experiments.commands.inputs import Inputs, make_backend, open_inputs
from experiments.commands.open_start import open_start
from experiments.commands.teacher_remark import remark_on_teacher
from experiments.options.search import SearchOptions
from experiments.report.frontier import write_frontier
from experiments.runtime.console import say
from experiments.runtime.parent import end_with_parent
from experiments.runtime.processes import world_size
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.start import INHERITED, RANDOM
from experiments.search.pipeline import join_search, run_search
from experiments.search.run_folder import SearchContext
from experiments.search.selection import Chosen
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
    context = _context(options, problem or feasible_sets(options, inputs.images.num_classes), inputs)
    if options.as_worker:
        join_search(context)
        return []
    remark_on_teacher(options.teacher, inputs.images.num_classes)
    with only_process_in(options.out):
        chosen = run_search(context, _workers(context) if options.workers > 1 else None)
        write_frontier([options.out], options.out / "frontier")
    return chosen


def _context(options: SearchOptions, problem: Problem, inputs: Inputs) -> SearchContext:
    space, sets = problem
    start = open_start(options, inputs.images, space)
    backend = make_backend(options, inputs, start)
    _check_first_rung(options, backend)
    resolved = {
        "axes": space.axes(),
        "teacher": inputs.teacher.digest if inputs.teacher else None,
        "logits": inputs.store.manifest.digest if inputs.store else None,
        "start": INHERITED if start else RANDOM,
        "inherited": start.digest if start else None,
    }
    return SearchContext(options=options, resolved=resolved, space=space, sets=sets, backend=backend, say=say, start=start)


def _check_first_rung(options: SearchOptions, backend: TrainingBackend) -> None:
    if options.first_rung is None:
        return
    if options.pruner == "none":
        raise ScalerError(f"--first-rung {options.first_rung}: nothing is looked at without a pruner: add --pruner halving")
    images = len(backend.data.train)
    batch = min(backend.recipe.batch_size, images)
    seen = backend.recipe.epochs * (images // batch * batch)
    if not batch <= options.first_rung < seen:
        raise ScalerError(
            f"--first-rung {options.first_rung}: take at least {batch} images, an update's, and less than a training's {seen:,}"
        )


def _workers(context: SearchContext) -> TrainAll:
    """Return a function that has several processes train candidates until the study is finished."""
    options = context.options
    words = ["search", *replace(options, as_worker=True, workers=1).words()]
    return spawn_workers(words, options.workers, options.trials, context.trial_rows.sync)
