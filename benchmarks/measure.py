"""Functions of every benchmark: timing, cold starts, and peers that may not be installed."""

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

from scaler.errors import ScalerError

Figures = dict[str, Any]  # numbers and words, or, by name, the figures of a part


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def median_s(work: Callable[[], object], repeats: int) -> float:
    """The median time of ``work`` over ``repeats`` runs, in seconds."""
    return median(seconds(work) for _ in range(repeats))


def peer(module: str, package: str) -> Any:
    """A library that is compared with.

    Raises:
        ScalerError: it is not installed; the message says how to.
    """
    try:
        return import_module(module)
    except ImportError as error:
        rule = "this benchmark compares with it: `pip install --group bench`"
        raise ScalerError(f"{package} cannot be imported ({error}); {rule}") from error


def cold(module: str, *args: str) -> tuple[float, str]:
    """Run ``python -m module args`` as a new process: (seconds from start to exit, what it printed)."""
    start = perf_counter()
    done = subprocess.run([sys.executable, "-m", module, *args], capture_output=True, text=True, check=False)
    took = perf_counter() - start
    if done.returncode:
        raise ScalerError(f"`python -m {module}` failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return took, done.stdout


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)
