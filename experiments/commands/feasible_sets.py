"""The feasible sets of searches and shrinkings, without torch unless a budget bounds latency."""

from pathlib import Path

from experiments.options.search import ELASTIC_SCORE, SearchOptions
from experiments.options.train import ElasticOptions, ShrinkOptions
from scaler.cost.latency import LatencyModel
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.units import format_quantity
from search_spaces.elastic import ElasticNote, MemberPlan, check_axes, elastic_space, read_note, trained_part
from search_spaces.problem import spaces
from search_spaces.spaces import open_space


def feasible_sets(options: SearchOptions, num_classes: int) -> tuple[SearchSpace, list[FeasibleSet]]:
    """Return the space of a search and the feasible set of each budget.

    Raises:
        InfeasibleError: if a set is empty.
        ScalerError: if members of an elastic seed are to be scored, and the seed is none or was not trained for those asked for.
    """
    note = elastic_note(options) if options.score == ELASTIC_SCORE else None
    axes = options.axes or (note.axes if note else None)
    space, sets = spaces(options.seed_model, options.budget, axes=axes, num_classes=num_classes, latency=_latency_model)
    if note is not None:
        check_axes(space, open_space(options.seed_model, axes=note.axes, num_classes=num_classes))
        sets = [trained_part(feasible, note) for feasible in sets]
    for feasible in sets:
        feasible.require()
    return space, sets


def smaller_set(options: ShrinkOptions, num_classes: int | None) -> tuple[SearchSpace, FeasibleSet]:
    """Return the space around the seed of a shrinking, and the feasible set of its budget.

    Raises:
        InfeasibleError: if the set is empty.
        ScalerError: if the seed itself is in it.
    """
    space, (feasible,) = spaces(
        options.seed_model, [options.budget], axes=options.axes, num_classes=num_classes, latency=_latency_model
    )
    feasible.require()
    if space.seed in feasible:
        cost = "{} FLOPs, {} parameters".format(*map(format_quantity, space.cost(space.seed)))
        raise ScalerError(f"--budget {options.budget}: {options.seed_model} meets it as it is ({cost}): ask for less")
    return space, feasible


def elastic_note(options: SearchOptions) -> ElasticNote:
    """Return the note of the elastic seed whose members are to be scored.

    Raises:
        ScalerError: if the seed is no elastic one.
    """
    note = read_note(Path(options.seed_model))
    if note is None:
        raise ScalerError(
            f"--score {ELASTIC_SCORE}: {options.seed_model} is no elastic seed: make one of a trained seed (`scaler elastic`)"
        )
    return note


def member_plan(options: ElasticOptions, num_classes: int) -> MemberPlan:
    """Return the members that an elastic training draws.

    Raises:
        ScalerError: if the seed is of a family that gives no weights, or no member has so few FLOPs.
    """
    return MemberPlan(elastic_space(options.seed_model, axes=options.axes, num_classes=num_classes), options.least, options.seed)


def _latency_model(space: SearchSpace) -> LatencyModel:
    from experiments.search.latency import known_or_learned  # loads torch

    return known_or_learned(space)
