"""Latency budgets: prices of operators are learned once per machine, and every chosen candidate is measured.

A budget bounds the least of many runs, which is nearest to an undisturbed run. The median and its interval are recorded with it;
they show how busy the machine was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

from experiments.runtime.console import say
from experiments.runtime.processes import pick_device
from experiments.runtime.progress import meter
from models.networks.latency import MeasuredLatency, machine, measure_latency
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.budget import Bound, Budget
from scaler.cost import latency
from scaler.cost.architecture import Architecture
from scaler.cost.latency import LatencyModel
from scaler.errors import DamagedFileError, ScalerError
from scaler.json_files import read_sealed, set_aside, write_sealed
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.units import format_time
from search_spaces import open_space

NETWORKS = 40  # that the prices of parts are learned from
_SECONDS = 0.5  # of runs of each
LATENCY = "latency.json"


def known_or_learned(space: SearchSpace) -> LatencyModel:
    """Return the latency model of ``space`` on this machine: the cached one, or one that is learned now and cached."""
    try:
        found = latency.load_latency_model(space.latency_key)
    except DamagedFileError as error:
        say(f"{error.fault}, and was set aside as {set_aside(error.path).name}: latencies are learned again")
        found = None
    return found if found and found.machine == machine(pick_device()) else learn_latency_model(space)


def learn_latency_model(space: SearchSpace) -> LatencyModel:
    """Measure networks of ``space`` from the smallest to the largest, and fit the prices of their operators."""
    device, found = pick_device(), list[MeasuredLatency]()
    archs = list(_spread(space, NETWORKS))
    with meter(f"measuring networks around {space.name}", len(archs), unit="networks") as shown:
        for arch in archs:
            found.append(measure_latency(model_spec_of("measured", arch).build(), arch.resolution, device, seconds=_SECONDS))
            shown.advance(1, f"{found[-1].least / 1e6:.2f} ms")
    disturbed, times = sum(bool(measured.disturbance) for measured in found), [measured.least for measured in found]
    if disturbed > len(found) / 10:
        say(f"the machine was busy in {disturbed} of {len(found)} measurements: repeat `scaler latency --learn` when it is idle")
    return latency.save_latency_model(space.latency_key, latency.fit_latency_model(archs, times, machine(device)))


def _spread(space: SearchSpace, number: int) -> Iterator[Architecture]:
    """Yield members of ``space``, one in each of ``number`` bands of FLOPs of equal ratio."""
    everything, rng = FeasibleSet(space, Budget()), np.random.default_rng(0)
    low, high = everything.bounds()["flops"]
    edges = [exp(log(low) + (log(high + 1) - log(low)) * i / number) for i in range(number + 1)]
    for band in pairwise(edges):
        within = everything.under(Budget((("flops", Bound(*band)),)))
        yield from (within if within.size else everything).sample(1, rng)


def learn_around(seed: str, axes: Path | None = None) -> dict[str, Any]:
    """Learn the latency model of the space around ``seed``, and return it as JSON values."""
    return asdict(learn_latency_model(open_space(seed, axes=axes)))


def time_model(spec: ModelSpec) -> dict[str, Any]:
    """Return the latency of ``spec`` on this machine in milliseconds, with its interval."""
    measured = measure_latency(spec.build(), spec.resolution, pick_device())
    if measured.disturbance:
        say(f"{measured.disturbance}: the machine is busy, measure again when it is idle")
    return _in_ms(measured)


def confirm_latency(folder: Path, spec: ModelSpec, feasible: FeasibleSet) -> dict[str, Any]:
    """Return the measured and the predicted latency of ``spec``; it is measured once and stored in ``folder``."""
    found = read_latency(folder)
    if found is None:
        predicted = feasible.space.quantities(spec.arch)["latency"] if spec.arch else None
        found = {**time_model(spec), "predicted_ms": None if predicted is None else predicted / 1e6}
        write_sealed(folder / LATENCY, found)
    return found


def read_latency(folder: Path) -> dict[str, Any] | None:
    """Return the latency that is stored in ``folder``; None if there is none, or it is damaged and was set aside."""
    path = folder / LATENCY
    if not path.exists():
        return None
    try:
        return read_sealed(path, dict[str, Any], "delete it, and it is measured again")
    except DamagedFileError as error:
        say(f"{error.fault}, and was set aside as {set_aside(path).name}")
        return None


def none_meets(feasible: FeasibleSet, measured: Sequence[float], advice: str) -> ScalerError:
    """Return the error that says that no candidate's measured latency, in nanoseconds, meets the budget, and what may help."""
    nearest = format_time(min(measured, key=feasible.budget["latency"].miss))
    return ScalerError(
        f"none of {len(measured)} candidates meets {feasible.budget} when measured; the nearest takes {nearest}: "
        f"{advice}, or learn the machine's latencies again (`scaler latency SEED --learn`)"
    )


def _in_ms(measured: MeasuredLatency) -> dict[str, Any]:
    found = asdict(measured)
    return {f"{name}_ms": found.pop(name) / 1e6 for name in ("least", "median", "low", "high")} | found
