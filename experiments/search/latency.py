"""Latency budgets: what the parts of a space's networks take on this machine is learned once, and every choice is measured.

What is bounded is the time of a run that nothing disturbs; the median and its interval, which tell how busy the machine was, are
kept beside it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

from experiments.runtime.processes import pick_device
from experiments.runtime.progress import meter
from models.networks.latency import MeasuredLatency, machine, measure_latency
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from scaler.budget import Bound, Budget
from scaler.cost import latency
from scaler.cost.architecture import Architecture
from scaler.cost.latency import LatencyModel
from scaler.files import write_json
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces import open_space

NETWORKS = 40  # that the prices of parts are learned from
_SECONDS = 0.5  # of runs of each
LATENCY = "latency.json"


def known_or_learned(space: SearchSpace) -> LatencyModel:
    """What the parts of ``space`` take on this machine as it is now: as remembered, or measured, which is remembered."""
    found = latency.load_latency_model(space.latency_key)
    return found if found and found.machine == machine(pick_device()) else learn_latency_model(space)


def learn_latency_model(space: SearchSpace) -> LatencyModel:
    """Measure networks of ``space``, small ones and large ones alike, and learn what their parts take undisturbed."""
    device, times = pick_device(), []
    archs = list(_spread(space, NETWORKS))
    with meter(f"measuring networks around {space.name}", len(archs), unit="networks") as shown:
        for arch in archs:
            times.append(
                measure_latency(model_spec_of("measured", arch).build(), arch.resolution, device, seconds=_SECONDS).least
            )
            shown.advance(1, f"{times[-1] / 1e6:.2f} ms")
    return latency.save_latency_model(space.latency_key, latency.fit_latency_model(archs, times, machine(device)))


def _spread(space: SearchSpace, number: int) -> Iterator[Architecture]:
    """Members of ``space``, one in each of ``number`` bands of FLOPs of equal ratio, where there is one."""
    everything, rng = FeasibleSet(space, Budget()), np.random.default_rng(0)
    low, high = everything.bounds()["flops"]
    edges = [exp(log(low) + (log(high + 1) - log(low)) * i / number) for i in range(number + 1)]
    for band in pairwise(edges):
        within = everything.under(Budget((("flops", Bound(*band)),)))
        yield from (within if within.size else everything).sample(1, rng)


def learn_around(seed: str, axes: Path | None = None) -> dict[str, Any]:
    """`learn_latency_model` anew of the space around ``seed``: prices, median relative error, number of networks, machine."""
    return asdict(learn_latency_model(open_space(seed, axes=axes)))


def time_model(spec: ModelSpec) -> dict[str, Any]:
    """The latency of ``spec`` here, in milliseconds, with its interval."""
    return _in_ms(measure_latency(spec.build(), spec.resolution, pick_device()))


def confirm_latency(folder: Path, feasible: FeasibleSet) -> dict[str, Any]:
    """The measured latency of the trial in ``folder``, beside what was predicted; measured once and kept there."""
    path = folder / LATENCY
    if not path.exists():
        spec = open_model_spec(str(folder))
        predicted = feasible.space.quantities(spec.arch)["latency"] if spec.arch else None
        write_json(path, {**time_model(spec), "predicted_ms": None if predicted is None else predicted / 1e6})
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _in_ms(measured: MeasuredLatency) -> dict[str, Any]:
    found = asdict(measured)
    return {f"{name}_ms": found.pop(name) / 1e6 for name in ("least", "median", "low", "high")} | found
