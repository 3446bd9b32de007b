"""The latency of a network on this machine: one image at a time, as it is deployed."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import floor, sqrt
from time import perf_counter_ns, thread_time_ns

import torch
from torch import nn

_LEAST_SHARE, _MOST_SPREAD = 0.8, 1.5
_WARM_UP, _ROUNDS, _LEAST_RUNS = 3, 5, 5


@dataclass(frozen=True)
class MeasuredLatency:
    """Nanoseconds of a forward pass.

    Attributes:
        least: of the fastest run, which other load disturbed least; networks are compared by it.
        median: over ``runs``; ``low`` and ``high`` are the ends of its 95 % interval.
        machine: the machine and the settings, in words.
        cpu_share: processor time of all runs over their wall time, on a CPU; other processes had the rest. 1 elsewhere.
    """

    least: float
    median: float
    low: float
    high: float
    runs: int
    machine: str
    cpu_share: float = 1.0

    @property
    def disturbance(self) -> str:
        """The signs of other load on the machine in words; empty if there are none."""
        if self.cpu_share < _LEAST_SHARE:
            return f"other processes had the core for {1 - self.cpu_share:.0%} of the time"
        if self.median > _MOST_SPREAD * self.least:
            return f"the median of the runs is {self.median / self.least:.1f} times the least"
        return ""


def measure_latency(model: nn.Module, resolution: int, device: torch.device, *, seconds: float = 1.0) -> MeasuredLatency:
    """Time ``model`` on one image (1, 3, resolution, resolution), in eval mode and float32, for about ``seconds``.

    After a warm-up there are five rounds, of which the one with the fastest run counts: other load on a machine comes and goes.
    On a CPU one core is used, as in PyTorch's own benchmarks.
    """
    model = model.to(device).eval()
    images = torch.zeros(1, 3, resolution, resolution, device=device)
    with torch.inference_mode(), _one_thread():
        for _ in range(_WARM_UP):
            _run_ns(model, images)
        began, cpu_began = perf_counter_ns(), thread_time_ns()
        rounds = [_round(model, images, seconds / _ROUNDS) for _ in range(_ROUNDS)]
        share = (thread_time_ns() - cpu_began) / (perf_counter_ns() - began) if device.type == "cpu" else 1.0
    found = min((_summary(times, device) for times in rounds), key=lambda found: found.least)
    return replace(found, cpu_share=share)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _round(model: nn.Module, images: torch.Tensor, seconds: float) -> list[int]:
    times, end = list[int](), perf_counter_ns() + seconds * 1e9
    while len(times) < _LEAST_RUNS or perf_counter_ns() < end:
        times.append(_run_ns(model, images))
    return times


def _run_ns(model: nn.Module, images: torch.Tensor) -> int:
    began = perf_counter_ns()
    model(images)
    if images.device.type != "cpu":
        torch.accelerator.synchronize()
    return perf_counter_ns() - began


def _summary(times: list[int], device: torch.device) -> MeasuredLatency:
    """Summarize one round. The interval is that of order statistics, which assumes no distribution.

    Source: Le Boudec 2010, "Performance Evaluation of Computer and Communication Systems", theorem 2.1.
    """
    times, n = sorted(times), len(times)
    low, high = (times[min(max(0, floor(n / 2 + side * 0.98 * sqrt(n))), n - 1)] for side in (-1, 1))
    return MeasuredLatency(least=times[0], median=times[n // 2], low=low, high=high, runs=n, machine=machine(device))


def machine(device: torch.device) -> str:
    """Describe this machine and the settings."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"one core, {platform.machine()} {device.type}"
    return f"{platform.node()}, {name}, float32, batch 1, torch {torch.__version__}"
