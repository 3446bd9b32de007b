"""A feasible shrinking: its inputs are opened, its request kept, its result written."""

from dataclasses import fields, replace
from typing import Any

from experiments.commands.feasible_sets import smaller_set
from experiments.commands.finished_model import card
from experiments.commands.inputs import Inputs, make_backend, open_inputs
from experiments.commands.kept_result import kept_result
from experiments.commands.open_start import calibrated_rule
from experiments.data.bad_images import record_skipped
from experiments.losses.teacher import Teacher
from experiments.options.train import ShrinkOptions, TrainOptions
from experiments.runtime.console import say
from experiments.runtime.processes import world_size
from experiments.scoring.start import InheritedStart, require_seed, tells_same_classes
from experiments.search.run_folder import LEDGER
from experiments.search.shrinking import Shrinking, shrink_seed
from models.inheritance.choice import check_space
from models.inheritance.rule import Rule
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError
from scaler.lock import only_process_in
from scaler.results.ledger import Ledger
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace

REQUEST = "shrink.json"
Problem = tuple[SearchSpace, FeasibleSet]


def start_shrink(options: ShrinkOptions, problem: Problem | None) -> dict[str, Any]:
    """Run the shrinking of ``options``, or continue it; see `experiments.commands.shrink.shrink`.

    Args:
        problem: the space and the feasible set; None if only the opened images tell the number of classes.
    """
    if world_size() > 1:
        raise ScalerError(f"shrinking under torchrun ({world_size()} processes): start `scaler shrink` by itself")
    seed = open_model_spec(options.seed_model)
    require_seed(seed)
    inputs = None if options.data is None else _inputs(options, seed)
    space, feasible = problem or smaller_set(options, inputs.images.num_classes if inputs else None)
    check_space(space, require_seed(seed))
    rule = calibrated_rule(seed, options.seed) if inputs else Rule(random_seed=options.seed)
    start = InheritedStart.of(seed, rule, inputs.images if inputs else None)
    request = Shrinking(
        seed=seed,
        space=space,
        feasible=feasible,
        start=start,
        backend=make_backend(_tuning(options), inputs, start) if inputs else None,
        out=options.out,
        random_seed=options.seed,
    )
    with only_process_in(options.out):
        recorded = _recorded(options, space, inputs, start)
        found = kept_result("shrinking", options.out / REQUEST, recorded, lambda: shrink_seed(request))
        record_skipped(inputs.images.skipped if inputs else {}, options.out)
        if inputs:
            record = list(Ledger(options.out / LEDGER))[-1]
            card(options, record, options.teacher or (seed.name if inputs.teacher else None))
        return found


def _inputs(options: ShrinkOptions, seed: ModelSpec) -> Inputs:
    """Return the images and the teacher: the seed itself where none is given and it tells the same classes apart."""
    inputs = open_inputs(_tuning(options))
    if inputs.teacher or inputs.store:
        return inputs
    if not tells_same_classes(seed, inputs.images):
        classes = f"{seed.num_classes} classes and the {inputs.images.num_classes} of {inputs.images.name} are others"
        say(f"{seed.name} has {classes}: the head is new and learns from the labels alone")
        return inputs
    return replace(inputs, teacher=Teacher.of(seed))


def _tuning(options: ShrinkOptions) -> TrainOptions:
    """Return the training that follows the cut, as the request of one."""
    shared = {item.name for item in fields(TrainOptions)} & {item.name for item in fields(ShrinkOptions)}
    return TrainOptions(variant=options.seed_model, **{name: getattr(options, name) for name in shared})


def _recorded(options: ShrinkOptions, space: SearchSpace, inputs: Inputs | None, start: InheritedStart) -> dict[str, Any]:
    """Return the content of ``shrink.json``: files by their content, as they may move between calls."""
    resolved = {
        "axes": space.axes(),
        "teacher": inputs.teacher.digest if inputs and inputs.teacher else None,
        "logits": inputs.store.manifest.digest if inputs and inputs.store else None,
        "start_weights": start.digest,
    }
    return {**options.recorded(), **resolved}
