"""Shares of a machine: the threads of a training, and the place of each of several workers.

A second thread makes the update of a small network less than twice as fast, so such networks are trained side by side, one
thread each, where there are several to train. Sums of floating-point numbers depend on the number of threads: a search records
it in ``run.json`` and a training in its checkpoints, and whatever continues them keeps it, on any machine.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_all_start_methods

# Of an update's forward pass; `python -m benchmarks workers` measures the gain of a second thread: 1.4 and more from 0.4 GFLOPs.
FLOPS_PER_THREAD = 200 * 10**6  # of a lone training
FLOPS_PER_WORKERS_THREAD = 4 * 10**9  # of one of several side by side, which are better served by a core each
_ROUNDS = 3  # a search has at least so many trials for each worker: a new process takes seconds to start


@dataclass(frozen=True, kw_only=True)
class Share:
    """The share of one worker.

    Attributes:
        threads: that PyTorch computes with.
        device: the GPU, as ``CUDA_VISIBLE_DEVICES`` names it; None where there is none.
    """

    threads: int
    device: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a process with this share is started with."""
        return {} if self.device is None else {"CUDA_VISIBLE_DEVICES": self.device}


def threads_for(flops: int, cores: int, flops_per_thread: int = FLOPS_PER_THREAD) -> int:
    """Return the number of threads of a training: one for each ``flops_per_thread``, from 1 to ``cores``.

    Args:
        flops: of the forward pass of one update: those of an image times the images that pass through the network at once.
    """
    return max(1, min(cores, flops // flops_per_thread))


def share_out(
    workers: int | None, threads: int | None, *, flops: int, cores: int, devices: Sequence[str] = (), trials: int
) -> list[Share]:
    """Return the share of each worker of a search.

    Args:
        workers: their number; None for one on each GPU or, without GPUs, as many as the cores have room for, but no more than a
            third of ``trials``, rounded up.
        threads: of each worker; None for the rule of `threads_for`, within the worker's share of the cores.
        flops: see `threads_for`.
        devices: the GPUs; the workers take turns at them.
    """
    if workers is None:
        room = len(devices) or cores // (threads or threads_for(flops, cores, FLOPS_PER_WORKERS_THREAD))
        workers = max(1, min(room, ceil(trials / _ROUNDS)))
    per_thread = FLOPS_PER_THREAD if workers == 1 else FLOPS_PER_WORKERS_THREAD
    threads = threads or threads_for(flops, max(1, cores // workers), per_thread)
    return [Share(threads=threads, device=devices[i % len(devices)] if devices else None) for i in range(workers)]


def loaders_beside(threads: int, cores: int) -> int:
    """Return the number of processes that load images for a lone training of ``threads`` threads: 1 if it leaves a core idle.

    0 where processes are not forked by default: every epoch starts them anew, which then takes seconds.
    """
    return int(cores > threads and get_all_start_methods()[0] == "fork")


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus(count: int, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of this process's ``count`` GPUs, as ``CUDA_VISIBLE_DEVICES`` takes them."""
    named = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return named[:count] or [str(index) for index in range(count)]


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Have PyTorch compute with ``threads`` threads while the block runs; None leaves their number as it is."""
    import torch  # seconds to load

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
