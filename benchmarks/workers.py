"""A search by threads and workers: wall time and processor time of the same command; and what a second thread brings a step.

The commands follow one another in one run. On a machine that does other work the processor time says more than the clock.
"""

import os
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from subprocess import DEVNULL
from subprocess import run as run_command
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from benchmarks.measure import Figures, seconds
from experiments.runtime.shares import cores, threads_for
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError

_SEARCH = ("search", "tiny_vit_1m_32", "--data", "digits", "--budget", "flops=2M..3M")
_NETWORKS = (("tiny_vit_1m_32", 64), ("tiny_vit_1m_32", 256), ("tiny_vit_5m_224", 2), ("tiny_vit_5m_224", 8),
             ("deit_tiny_patch16_224", 8))  # fmt: skip


def run(quick: bool) -> Figures:
    all_cores = str(cores())
    searches = {
        "one_worker_all_threads": ("--workers", "1", "--threads", all_cores),
        "one_worker_one_thread": ("--workers", "1", "--threads", "1"),
        "workers_one_thread": ("--workers", all_cores, "--threads", "1"),
        "default": (),
    }
    less = ("--trials", "4", "--train-images", "300") if quick else ("--trials", "6")
    found: Figures = {"cores": cores(), "load": os.getloadavg()[0]}
    found |= {name: _timed((*_SEARCH, *less, *words)) for name, words in searches.items()}
    found["speedup"] = found["one_worker_all_threads"]["wall_s"] / found["default"]["wall_s"]
    return found | {f"{name}_{batch}": _second_thread(name, batch, 3 if quick else 9) for name, batch in _NETWORKS}


def _timed(words: tuple[str, ...]) -> dict[str, float]:
    """Return the wall time and the processor time of a command, with all processes that it started."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with TemporaryDirectory() as folder:
        before, start = getrusage(RUSAGE_CHILDREN), perf_counter()
        command = [sys.executable, "-m", "scaler.launch", *words, "--out", str(Path(folder) / "run")]
        status = run_command(command, env=environment, stdout=DEVNULL, stderr=DEVNULL, check=False).returncode
        wall, after = perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    if status:
        raise ScalerError(f"`scaler {' '.join(words)}` ended with status {status}")
    return {"wall_s": wall, "processor_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def _second_thread(name: str, batch: int, rounds: int) -> dict[str, float]:
    """Return the FLOPs of an update's forward pass, the rule's threads on two cores, and the speed of two threads over one's."""
    spec = open_model_spec(name)
    network = spec.build().to(memory_format=torch.channels_last).train()
    images = torch.randn(batch, 3, spec.resolution, spec.resolution).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()

    times: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds + 1):
        for threads in times:
            torch.set_num_threads(threads)
            step()
            times[threads] += [seconds(step)] if number else []  # the first allocates memory
    flops = spec.count().flops * batch
    ratio = median(a / b for a, b in zip(times[1], times[2], strict=True))
    return {"gflops": flops / 1e9, "threads_by_rule": threads_for(flops, 2), "two_threads_over_one": ratio}
