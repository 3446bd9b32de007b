"""What may shrink in any timm model: the arguments of its constructor that an axes file names."""

from dataclasses import replace
from typing import Any

from models.any_timm.arch import TimmArch
from scaler.errors import ScalerError, UnknownNameError
from scaler.space.axes import check_form, is_nested, variables_of
from scaler.space.search_space import SearchSpace

# Every architecture of such a space is built and counted, at a third of a second to some seconds each.
_MOST = 4096


def seed(name: str, known: list[str]) -> TimmArch:
    """The timm model called ``name`` as a seed, at timm's resolution for it.

    Raises:
        UnknownNameError: timm has no such model either; ``known`` are the seeds that could have been meant.
    """
    import timm  # loads torch

    if not timm.is_model(name):
        raise UnknownNameError("seed", name, [*known, *timm.list_models()])
    cfg = timm.get_pretrained_cfg(name)
    return TimmArch(model=name, resolution=cfg.input_size[-1] if cfg else 224)


def space(name: str, seed: TimmArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """Any timm model: the constructor's arguments that --axes names.

    ``changes`` are those axes, per stage or one list of choices.

    Raises:
        ScalerError: no axes, malformed ones, or more architectures than can be counted one by one.
    """
    if not changes:
        example = '{"depths": [[2, 3], [2, 3], [6, 9], [2, 3]]}'
        raise ScalerError(f"{name} has no axes of its own: name arguments of its constructor with --axes, such as {example}")
    for axis, entries in changes.items():
        check_form(axis, entries, len(entries) if is_nested(entries) else 0, whole=axis == "resolution")
    args = {
        axis: (None,) * len(entries) if is_nested(entries) else None for axis, entries in changes.items() if axis != "resolution"
    }
    found = SearchSpace(name, replace(seed, args=tuple(sorted(args.items()))), variables_of(changes))
    if found.size > _MOST:
        raise ScalerError(f"the axes of {name} hold {found.size:,} architectures, each to be built: narrow them to {_MOST:,}")
    return found
