"""A feasible elastic training: its inputs are opened, its request kept, its result written."""

from dataclasses import fields, replace
from typing import Any

from experiments.commands.feasible_sets import member_plan
from experiments.commands.inputs import Inputs, make_backend, open_inputs, require_trained
from experiments.commands.kept_result import kept_result
from experiments.commands.open_start import calibrated_rule
from experiments.data.bad_images import record_skipped
from experiments.losses.teacher import Teacher
from experiments.options.train import ElasticOptions, TrainOptions
from experiments.runtime.determinism import deterministic_algorithms
from experiments.runtime.processes import world_size
from experiments.runtime.shares import cores, threads_for, using_threads
from experiments.scoring.backend import evaluate_spec
from experiments.scoring.elastic import ElasticTraining, MemberBackend, sorted_start
from experiments.scoring.records import variant_info
from experiments.scoring.start import InheritedStart, require_seed
from models.inheritance.choice import check_space
from models.inheritance.members import member_rule
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError
from scaler.lock import only_process_in
from search_spaces.elastic import MemberPlan, write_note

REQUEST = "elastic-request.json"
_SHOWN = 5  # members whose accuracy is measured


def start_elastic(options: ElasticOptions, plan: MemberPlan | None) -> dict[str, Any]:
    """Run the elastic training of ``options``, or continue it; see `experiments.commands.elastic.elastic`.

    Args:
        plan: the members; None if only the opened images tell the number of classes.
    """
    if world_size() > 1:
        raise ScalerError(f"an elastic training under torchrun ({world_size()} processes): start `scaler elastic` by itself")
    seed = open_model_spec(options.seed_model)
    arch = require_seed(seed)
    inputs = _inputs(options, seed)
    plan = member_plan(options, inputs.images.num_classes) if plan is None else plan
    check_space(plan.space, arch)
    start = InheritedStart.of(seed, calibrated_rule(seed, options.seed), inputs.images)
    backend = ElasticTraining.of(make_backend(_training(options), inputs, sorted_start(start)), plan)
    threads = options.threads or threads_for(plan.space.cost(arch).flops * backend.recipe.batch_size, cores())
    with using_threads(threads), deterministic_algorithms(options.deterministic), only_process_in(options.out):
        recorded = _recorded(options, inputs, start, plan)
        found = kept_result("elastic training", options.out / REQUEST, recorded, lambda: _trained(options, seed, backend))
        record_skipped(inputs.images.skipped, options.out)
        return found


def _trained(options: ElasticOptions, seed: ModelSpec, backend: ElasticTraining) -> dict[str, Any]:
    """Train the elastic seed into its folder, and return its accuracy and that of some members as JSON values."""
    plan, images, out = backend.plan, backend.data, options.out
    spec = replace(seed.without_weights(), name=out.name)
    note = variant_info(spec, options.seed_model)
    score = backend.score(spec, note, out, seed=options.seed, final=False)
    write_note(out, plan.space, plan.least_flops)
    trained = open_model_spec(str(out))
    cuts = MemberBackend(images, InheritedStart.of(trained, member_rule(options.seed), images), backend.workers)
    specs = [cuts.start.spec_of("member", arch) for arch in plan.spread(_SHOWN)]
    tops = [evaluate_spec(one, images.test, backend.device, backend.workers).metrics.top1 for one in (seed, trained)]
    rows = [_row(trained, tops[1]), *(_row(one, cuts.evaluate(one, final=True).metrics.top1) for one in specs)]
    return {
        "folder": str(out),
        "seed": {"folder": options.seed_model, "flops": note.flops, "params": note.params, "top1": tops[0]},
        "axes": plan.space.axes(),
        "least_flops": plan.least_flops,
        "size": len(plan),
        "members": rows,
        "train_flops": score.train_flops,
        "seconds": score.seconds,
    }


def _row(spec: ModelSpec, top1: float) -> dict[str, Any]:
    """Return a member with its test top-1 in percent as JSON values; the first one is the full size."""
    note = variant_info(spec, "")
    return {"flops": note.flops, "params": note.params, "resolution": spec.resolution, "top1": top1, "arch": note.arch}


def _inputs(options: ElasticOptions, seed: ModelSpec) -> Inputs:
    """Return the images and the teacher of the full size: the seed itself where none is given.

    Raises:
        ScalerError: if the seed tells other classes apart than those of the images.
    """
    inputs = open_inputs(_training(options))
    require_trained(seed, inputs.images)
    return inputs if inputs.teacher or inputs.store else replace(inputs, teacher=Teacher.of(seed))


def _training(options: ElasticOptions) -> TrainOptions:
    """Return the training of the full size as the request of one."""
    shared = {item.name for item in fields(TrainOptions)} & {item.name for item in fields(ElasticOptions)}
    return TrainOptions(variant=options.seed_model, **{name: getattr(options, name) for name in shared})


def _recorded(options: ElasticOptions, inputs: Inputs, start: InheritedStart, plan: MemberPlan) -> dict[str, Any]:
    """Return the content of the kept request: files by their content, as they may move between calls."""
    resolved = {
        "axes": plan.space.axes(),
        "teacher": inputs.teacher.digest if inputs.teacher else None,
        "logits": inputs.store.manifest.digest if inputs.store else None,
        "start_weights": start.digest,
    }
    return {**options.recorded(), **resolved}
