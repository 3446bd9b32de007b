"""The space around any timm model: the arguments of its constructor that an axes file names."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from models.any_timm.arch import TimmArch, count_networks
from models.any_timm.count_cache import Count, Failure
from models.zoo.timm_names import is_timm_model
from scaler.cost.operators import Cost
from scaler.errors import ScalerError
from scaler.space.axes import check_form, is_nested, variables_of
from scaler.space.search_space import SearchSpace

# Every architecture of such a space is built and counted, at a third of a second to some seconds each.
_MOST = 4096
# Arguments that an architecture holds apart from the others.
_TASK = ("num_classes", "in_chans", "img_size")


def architecture(name: str) -> TimmArch:
    """Return timm's own model called ``name``, which timm knows, at timm's resolution for it."""
    import timm  # loads torch

    cfg = timm.get_pretrained_cfg(name)
    return TimmArch(model=name, resolution=cfg.input_size[-1] if cfg else 224)


def configured(folder: Path, config: Mapping[str, Any]) -> TimmArch:
    """Return the architecture of a configuration in timm's hub layout, which ``folder`` holds.

    Raises:
        ScalerError: if it is of no model that timm itself has.
    """
    cfg, given = config["pretrained_cfg"], config.get("model_args", {})
    if not is_timm_model(config["architecture"]):
        raise ScalerError(f"{folder} is of the architecture {config['architecture']!r}, which timm does not have")
    args = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name not in _TASK}
    return TimmArch(
        model=config["architecture"],
        args=tuple(sorted(args.items())),
        resolution=cfg["input_size"][-1],
        num_classes=config.get("num_classes") or cfg.get("num_classes") or 1000,
        in_chans=cfg["input_size"][0],
    )


def space(name: str, seed: TimmArch, changes: dict[str, Any] | None = None) -> SearchSpace:
    """Any timm model: the constructor's arguments that --axes names.

    ``changes`` are those axes, per stage or one list of choices. timm does not tell its own values of these arguments, so the
    seed of the space is its largest architecture: the greatest choice of each axis.

    Raises:
        ScalerError: if there are no axes, malformed ones, more architectures than can be counted one by one, or none that timm
            builds.
    """
    if not changes:
        example = '{"depths": [[2, 3], [2, 3], [6, 9], [2, 3]]}'
        raise ScalerError(f"{name} has no axes of its own: name arguments of its constructor with --axes, such as {example}")
    for axis, entries in changes.items():
        check_form(axis, entries, len(entries) if is_nested(entries) else 0, whole=axis == "resolution")
    variables = variables_of(changes)
    size = SearchSpace(name, seed, variables).size
    if size > _MOST:
        raise ScalerError(f"the axes of {name} hold {size:,} architectures, each to be built: narrow them to {_MOST:,}")
    return SearchSpace(name, _largest(name, _with_arguments(seed, changes), variables), variables)


def _with_arguments(seed: TimmArch, changes: dict[str, Any]) -> TimmArch:
    """Return ``seed`` with the greatest choice for each argument that ``changes`` names."""
    greatest: dict[str, Any] = {
        axis: tuple(map(max, entries)) if is_nested(entries) else max(entries) for axis, entries in changes.items()
    }
    resolution = greatest.pop("resolution", seed.resolution)
    return replace(seed, args=tuple(sorted((dict(seed.args) | greatest).items())), resolution=resolution)


def _largest(name: str, corner: TimmArch, variables: dict[str, Any]) -> TimmArch:
    """Return ``corner``, the architecture of all greatest choices; where timm does not build it, the costliest that it builds.

    Raises:
        ScalerError: if timm builds none; the message has timm's most frequent error.
    """
    if isinstance(count_networks([corner])[0], Cost):
        return corner
    archs = [corner.with_values(dict(zip(variables, row, strict=True))) for row in product(*variables.values())]
    counts = count_networks(archs)
    costs = {arch: count for arch, count in zip(archs, counts, strict=True) if isinstance(count, Cost)}
    if not costs:
        raise ScalerError(_why_none(name, counts))
    return max(costs, key=lambda arch: costs[arch])


def _why_none(name: str, counts: list[Count]) -> str:
    reasons = Counter(count.reason for count in counts if isinstance(count, Failure))
    (reason, times), *others = reasons.most_common()
    often = f"for {times:,} of them: " if others else ""
    return f"none of the {len(counts):,} networks that the axes of {name} hold can be counted ({often}{reason}): change the axes"
