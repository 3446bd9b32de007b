"""The weights from which the candidates of a search start, and the rule by which they are taken from a seed."""

from experiments.data.image_set import ImageData
from experiments.options.search import SearchOptions
from experiments.runtime.console import say
from experiments.scoring.start import RANDOM, InheritedStart, require_seed, tells_same_classes, why_no_seed
from models.inheritance.choice import check_space
from models.inheritance.members import member_rule
from models.inheritance.rule import Rule
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace
from search_spaces.elastic import read_note


def open_start(options: SearchOptions, images: ImageData, space: SearchSpace) -> InheritedStart | None:
    """Return the seed whose weights the candidates of a search inherit; None if they start from random weights.

    Raises:
        ScalerError: if inherited weights are asked for and the seed has none to give, or not for all architectures of ``space``.
    """
    spec = open_model_spec(options.seed_model)
    reason = why_no_seed(spec)
    if options.start == RANDOM or (options.start is None and reason):
        _tell(options, f"candidates start from random weights{f': {reason}' if options.start is None else ''}")
        return None
    arch = require_seed(spec)
    try:
        check_space(space, arch)
    except ScalerError as error:
        raise ScalerError(f"{error}; narrow the axis, or take --start random") from error
    other = "" if tells_same_classes(spec, images) else f" and a new head for the {images.num_classes} classes of {images.name}"
    _tell(options, f"candidates start from weights cut out of {options.seed_model}{other}; --start random trains them anew")
    return InheritedStart.of(spec, calibrated_rule(spec, options.seed), images)


def calibrated_rule(spec: ModelSpec, seed: int) -> Rule:
    """Return the rule of inheritance where there are images; docs/inheritance_results.md has the evidence.

    An elastic seed gives its members as it was trained with them.
    """
    if spec.weights is not None and read_note(spec.weights.parent) is not None:
        return member_rule(seed)
    return Rule(channels="taylor", batch_norm=True, random_seed=seed)


def _tell(options: SearchOptions, message: str) -> None:
    """Print ``message``, unless the process that started this worker has."""
    if not options.as_worker:
        say(message)
