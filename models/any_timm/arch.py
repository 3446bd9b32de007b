"""Any timm model as an architecture: an entry point and arguments for its constructor.

Nothing is known of its parts, so its cost is fvcore's count of the built network: slower than a sum, and never wrong. Counts are
kept in a file of the user's cache, under the versions of timm, fvcore and torch.
"""

import json
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from scaler.cost.architecture import Segment, Value, Values
from scaler.cost.operators import Cost, Number, Part
from scaler.errors import ScalerError
from scaler.files import cache_folder


@dataclass(frozen=True, kw_only=True)
class TimmArch:
    """``model`` built by timm with ``args`` (sorted by name; None stands for timm's own value, which is not spelled out)."""

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

    def timm_args(self) -> dict[str, Any]:
        given = {name: value for name, value in self.args if value is not None and value != (None,) * _length(value)}
        fixed = {"img_size": self.resolution} if _has_fixed_size(self.model) else {}
        return given | {"num_classes": self.num_classes, "in_chans": self.in_chans} | fixed

    def segments(self) -> tuple[Segment, ...]:
        return _segments(self)

    def to_dict(self) -> dict[str, Any]:
        named = {"model": self.model, "resolution": self.resolution, "num_classes": self.num_classes, "in_chans": self.in_chans}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.args} | named

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TimmArch":
        args = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items() if name not in _OWN}
        return cls(args=tuple(sorted(args.items())), **{name: data[name] for name in _OWN})


_OWN = ("model", "resolution", "num_classes", "in_chans")


@lru_cache
def _segments(arch: TimmArch) -> tuple[Segment, ...]:
    """The whole network as one segment that reads every value."""
    reads = tuple(arch.values())

    def costs(values: tuple[Any, ...]) -> list[Cost | None]:
        rows = zip(*(np.ravel(value) for value in np.broadcast_arrays(*values)), strict=True)
        return counted(arch.with_values(dict(zip(reads, map(_plain, row), strict=True))) for row in rows)

    def parts(*values: Number) -> list[Part]:
        found = [cost or Cost(0, 0) for cost in costs(values)]
        flops, params = (np.array([getattr(cost, name) for cost in found]) for name in Cost._fields)
        return [Part("", flops, params)] if any(map(np.ndim, values)) else [Part("", *found[0])]

    return (Segment("", reads, parts, lambda *values: np.array([cost is not None for cost in costs(values)])),)


def counted(archs: Iterable[TimmArch]) -> list[Cost | None]:
    """fvcore's count of each architecture, or None for one that timm cannot build or that does not run at its resolution."""
    wanted = list(archs)
    with closing(sqlite3.connect(_cache())) as cache, cache:
        cache.execute("CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, flops INTEGER, params INTEGER)")
        query = "SELECT flops, params FROM counts WHERE key = ?"
        found = {arch: cache.execute(query, (_key(arch),)).fetchone() for arch in wanted}
        missing = [arch for arch, row in found.items() if row is None]
        for arch in track(missing, f"counting {len(missing)} networks", console=Console(file=sys.stderr), transient=True):
            found[arch] = _count(arch) or (None, None)
            cache.execute("INSERT OR REPLACE INTO counts VALUES (?, ?, ?)", (_key(arch), *found[arch]))
            cache.commit()
    return [None if found[arch][0] is None else Cost(*found[arch]) for arch in wanted]


def _count(arch: TimmArch) -> Cost | None:
    import timm  # loads torch

    from scaler.cost.fvcore_count import count

    try:
        model = timm.create_model(arch.model, pretrained=False, **arch.timm_args())
    except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, KeyError, ZeroDivisionError):
        return None
    try:
        return count(model, arch.resolution, arch.in_chans)
    except ScalerError as error:
        if "does not run" in str(error):
            return None
        raise


def _key(arch: TimmArch) -> str:
    return json.dumps([arch.to_dict(), {name: version(name) for name in ("timm", "fvcore", "torch")}], sort_keys=True)


def _cache() -> Path:
    return cache_folder() / "counts.db"


@lru_cache
def _has_fixed_size(model: str) -> bool:
    import timm

    cfg = timm.get_pretrained_cfg(model)
    return bool(cfg and cfg.fixed_input_size)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else 0


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
