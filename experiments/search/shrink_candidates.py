"""The architectures that compete for the budget of a shrinking."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.scoring.records import variant_info
from experiments.scoring.start import InheritedStart
from experiments.search.latency import confirm_latency, none_meets
from models.inheritance.choice import choose
from models.inheritance.importance import retained_importance, score_of
from models.networks.model_spec import ModelSpec
from scaler.budget import Bound
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.compound_scaling import compound_scaling

_ATTEMPTS = 4  # to meet a bound on latency, each with the prediction corrected by the measurements before


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An architecture under the budget.

    Attributes:
        name: "importance" or "uniform scaling".
        folder: of the candidate, once it is measured or tuned.
        importance: its score of retained importance.
        latency: as measured; None if the budget does not bound it.
        after_cut, tuned: held-out top-1 in percent, before and after the short tuning; None if it was not measured.
    """

    name: str
    folder: Path
    spec: ModelSpec
    importance: float
    latency: dict[str, Any] | None = None
    after_cut: float | None = None
    tuned: float | None = None

    @property
    def nanoseconds(self) -> float:
        """The measured latency."""
        assert self.latency is not None
        return float(self.latency["least_ms"]) * 1e6

    def row(self) -> dict[str, Any]:
        """Return the candidate as JSON values, with its cost."""
        note = variant_info(self.spec, "")
        values = {"name": self.name, "flops": note.flops, "params": note.params, "resolution": self.spec.resolution}
        scores = {"importance": self.importance, "after_cut": self.after_cut, "tuned": self.tuned}
        return values | scores | {"latency": self.latency, "arch": note.arch}


def competing(space: SearchSpace, feasible: FeasibleSet, start: InheritedStart, folder: Path) -> tuple[list[Candidate], float]:
    """Return the architecture that keeps most importance and the uniform scaling of the seed, and the seconds of the choice.

    Where the budget bounds latency, both are measured, and only those that meet it are returned. If none does, both are chosen
    again under a bound that is corrected by the error of the prediction.

    Raises:
        ScalerError: if none meets the budget when measured.
    """
    if feasible.budget["latency"] == Bound():
        return _chosen(space, feasible, start, folder)
    under, seconds, measured = feasible, 0.0, list[Candidate]()
    for attempt in range(1, _ATTEMPTS + 1):
        found, took = _chosen(space, under, start, folder / f"measured-{attempt}")
        found, seconds = [_measured(candidate, feasible) for candidate in found], seconds + took
        met = [candidate for candidate in found if feasible.budget["latency"].admits(candidate.nanoseconds)]
        if met:
            return met, seconds
        measured += found
        under = _corrected(under, feasible, found)
        if not under.size:
            break
    raise none_meets(feasible, [candidate.nanoseconds for candidate in measured], "widen the bound")


def _chosen(space: SearchSpace, feasible: FeasibleSet, start: InheritedStart, folder: Path) -> tuple[list[Candidate], float]:
    """Return both architectures, the optimum first, and the seconds that the optimum took."""
    began = time.perf_counter()
    optimum, _ = choose(feasible, start.seed)
    seconds = time.perf_counter() - began
    archs = {"uniform scaling": space.arch(compound_scaling(space, feasible)), "importance": optimum}
    tables = retained_importance(feasible.space, start.seed)
    names = {arch: name for name, arch in archs.items()}  # both may be one
    found = [
        Candidate(
            name=name,
            folder=folder / name.replace(" ", "-"),
            spec=start.spec_of(name, arch),
            importance=score_of(feasible.space, tables, arch),
        )
        for arch, name in names.items()
    ]
    return sorted(found, key=lambda candidate: -candidate.importance), seconds


def _measured(candidate: Candidate, feasible: FeasibleSet) -> Candidate:
    return replace(candidate, latency=confirm_latency(candidate.folder, candidate.spec, feasible))


def _corrected(under: FeasibleSet, feasible: FeasibleSet, found: Sequence[Candidate]) -> FeasibleSet:
    """Return the set whose predicted latencies meet the budget of ``feasible`` if they err as the nearest of ``found`` did."""
    bound = feasible.budget["latency"]
    nearest = min(found, key=lambda candidate: bound.miss(candidate.nanoseconds))
    assert nearest.spec.arch is not None
    factor = feasible.space.quantities(nearest.spec.arch)["latency"] / nearest.nanoseconds
    return under.under(feasible.budget.within("latency", Bound(bound.low * factor, bound.high * factor)))
