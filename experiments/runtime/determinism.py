"""Deterministic algorithms of PyTorch, for the GPUs whose fast kernels add numbers in an order of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """Have PyTorch use deterministic algorithms alone while the block runs; nothing changes unless ``enabled``.

    An operation that has none raises PyTorch's RuntimeError, which names it.
    """
    if not enabled:
        yield
        return
    import torch  # seconds to load

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
