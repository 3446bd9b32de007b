"""Any timm model as an architecture: an entry point and arguments for its constructor.

Nothing is known of its parts, so its cost is fvcore's count of the built network: slower than a sum, and never wrong. Counts are
kept in the user's cache (`models.any_timm.count_cache`) under the versions of timm, fvcore and torch.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from models.any_timm.count_cache import Count, CountCache, Failure
from models.common.json_values import to_lists
from scaler.cost.architecture import Segment, Value, Values
from scaler.cost.operators import Cost, Number, Part
from scaler.errors import InputSizeError, ScalerError

_FIELDS = ("model", "resolution", "num_classes", "in_chans")
# timm's and torch's answers to arguments that make no network.
_NOT_BUILT = (
    RuntimeError,
    TypeError,
    ValueError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    ZeroDivisionError,
)
_REMEMBERED = 1 << 13  # counts in this process, for a user without a cache folder


@dataclass(frozen=True, kw_only=True)
class TimmArch:
    """``model`` built by timm with ``args``, sorted by name; the other arguments have timm's values."""

    model: str
    args: tuple[tuple[str, Any], ...] = ()
    resolution: int
    num_classes: int = 1000
    in_chans: int = 3

    @property
    def family(self) -> str:
        return "timm"

    @property
    def timm_name(self) -> str:
        return self.model

    def values(self) -> dict[str, Value]:
        values: dict[str, Any] = {"resolution": self.resolution}
        for name, value in self.args:
            entries = {f"{name}[{i}]": entry for i, entry in enumerate(value)} if isinstance(value, tuple) else {name: value}
            values |= entries
        return values

    def with_values(self, values: Values) -> "TimmArch":
        mine: dict[str, Any] = {**self.values(), **values}
        args = {
            name: tuple(mine[f"{name}[{i}]"] for i in range(len(value))) if isinstance(value, tuple) else mine[name]
            for name, value in self.args
        }
        return replace(self, args=tuple(args.items()), resolution=int(mine["resolution"]))

    def with_task(self, *, resolution: int | None = None, num_classes: int | None = None) -> "TimmArch":
        return replace(self, resolution=resolution or self.resolution, num_classes=num_classes or self.num_classes)

    def timm_args(self) -> dict[str, Any]:
        fixed = {"img_size": self.resolution} if _has_fixed_size(self.model) else {}
        return dict(self.args) | {"num_classes": self.num_classes, "in_chans": self.in_chans} | fixed

    def segments(self) -> tuple[Segment, ...]:
        return _segments(self)

    def to_dict(self) -> dict[str, Any]:
        return {name: to_lists(value) for name, value in self.args} | {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TimmArch":
        args = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items() if name not in _FIELDS}
        return cls(args=tuple(sorted(args.items())), **{name: data[name] for name in _FIELDS})


@lru_cache
def _segments(arch: TimmArch) -> tuple[Segment, ...]:
    """Return the whole network as one segment that reads every value."""
    reads = tuple(arch.values())

    def counts(values: tuple[Any, ...]) -> list[Count]:
        rows = zip(*(np.ravel(value) for value in np.broadcast_arrays(*values)), strict=True)
        return count_networks(arch.with_values(dict(zip(reads, map(_plain, row), strict=True))) for row in rows)

    def parts(*values: Number) -> list[Part]:
        found = counts(values)
        if not any(map(np.ndim, values)):
            return [Part("", *_require(found[0], arch.model))]
        flops, params = np.array([(0, 0) if isinstance(count, Failure) else count for count in found]).T
        return [Part("", flops, params)]

    def rule(*values: Number) -> Number:
        return np.array([not isinstance(count, Failure) for count in counts(values)])

    return (Segment("", reads, parts, rule),)


def _require(count: Count, model: str) -> Cost:
    if isinstance(count, Failure):
        raise ScalerError(f"cannot count {model} with these arguments ({count.reason}): change them")
    return count


def count_networks(archs: Iterable[TimmArch]) -> list[Count]:
    """Return fvcore's count of each architecture, a `Failure` where timm does not build it or it does not run."""
    wanted = list(archs)
    with CountCache() as kept:
        found = {arch: kept.get(_key(arch)) for arch in wanted}
        missing = [arch for arch, count in found.items() if count is None]
        for arch in _shown(missing):
            kept.put(_key(arch), _count(arch))
    return [found[arch] or _count(arch) for arch in wanted]


def _shown(archs: Sequence[TimmArch]) -> Iterable[TimmArch]:
    """Iterate over ``archs`` with a progress bar, where standard error is a terminal."""
    console = Console(file=sys.stderr)
    text = f"counting {len(archs)} networks"
    return track(archs, text, console=console, transient=True, disable=not (archs and console.is_terminal))


@lru_cache(maxsize=_REMEMBERED)
def _count(arch: TimmArch) -> Count:
    import timm  # loads torch

    from scaler.cost.fvcore_count import count

    try:
        model = timm.create_model(arch.model, pretrained=False, **arch.timm_args())
    except _NOT_BUILT as error:
        return Failure(reason=f"{type(error).__name__}: {error}".splitlines()[0])
    try:
        return count(model, arch.resolution, arch.in_chans)
    except InputSizeError as error:
        return Failure(reason=str(error).splitlines()[0])


def _key(arch: TimmArch) -> str:
    return json.dumps([arch.to_dict(), _versions()], sort_keys=True)


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("timm", "fvcore", "torch")}


@lru_cache
def _has_fixed_size(model: str) -> bool:
    import timm

    cfg = timm.get_pretrained_cfg(model)
    return bool(cfg and cfg.fixed_input_size)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
