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

from experiments.runtime.progress import meter
from experiments.runtime.setup import pick_device
from models.networks.latency import Measured, machine, measure
from models.networks.model_spec import Target, of_arch, open_target
from scaler.budget import Bound, Budget
from scaler.cost import latency
from scaler.cost.architecture import Architecture
from scaler.cost.latency import Latency
from scaler.files import write_json
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces import open_space

NETWORKS = 40  # that the prices of parts are learned from
_SECONDS = 0.5  # of runs of each
LATENCY = "latency.json"


def learned(space: SearchSpace) -> Latency:
    """What the parts of ``space`` take on this machine as it is now: as remembered, or measured, which is remembered."""
    found = latency.recall(space)
    return found if found and found.machine == machine(pick_device()) else learn(space)


def learn(space: SearchSpace) -> Latency:
    """Measure networks of ``space``, small ones and large ones alike, and learn what their parts take undisturbed."""
    device, times = pick_device(), []
    archs = list(_spread(space, NETWORKS))
    with meter(f"measuring networks around {space.name}", len(archs), unit="networks") as shown:
        for arch in archs:
            times.append(measure(of_arch("measured", arch).build(), arch.resolution, device, seconds=_SECONDS).least)
            shown.advance(1, f"{times[-1] / 1e6:.2f} ms")
    return latency.remember(space, latency.learn(archs, times, machine(device)))


def _spread(space: SearchSpace, number: int) -> Iterator[Architecture]:
    """Members of ``space``, one in each of ``number`` bands of FLOPs of equal ratio, where there is one."""
    everything, rng = FeasibleSet(space, Budget()), np.random.default_rng(0)
    low, high = everything.bounds()["flops"]
    edges = [exp(log(low) + (log(high + 1) - log(low)) * i / number) for i in range(number + 1)]
    for band in pairwise(edges):
        within = everything.under(Budget((("flops", Bound(*band)),)))
        yield from (within if within.size else everything).sample(1, rng)


def learn_around(seed: str, axes: Path | None = None) -> dict[str, Any]:
    """`learn` anew of the space around ``seed``: prices, median relative error, number of networks, machine."""
    return asdict(learn(open_space(seed, axes=axes)))


def time_target(target: Target) -> dict[str, Any]:
    """The latency of ``target`` here, in milliseconds, with its interval."""
    return _in_ms(measure(target.build(), target.resolution, pick_device()))


def confirm(folder: Path, feasible: FeasibleSet) -> dict[str, Any]:
    """The measured latency of the trial in ``folder``, beside what was predicted; measured once and kept there."""
    path = folder / LATENCY
    if not path.exists():
        target = open_target(str(folder))
        predicted = feasible.space.quantities(target.arch)["latency"] if target.arch else None
        write_json(path, {**time_target(target), "predicted_ms": None if predicted is None else predicted / 1e6})
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _in_ms(measured: Measured) -> dict[str, Any]:
    found = asdict(measured)
    return {f"{name}_ms": found.pop(name) / 1e6 for name in ("least", "median", "low", "high")} | found
