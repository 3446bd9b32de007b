"""Trainings that are interrupted between two updates."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from experiments.training.updater import Updater


@contextmanager
def interrupted_at(number: int) -> Iterator[None]:
    """Have trainings raise KeyboardInterrupt instead of the update that follows ``number`` others, and expect that."""
    original = Updater.step

    def step(updater: Updater, parts: Any, done: int) -> torch.Tensor:
        if done == number:
            raise KeyboardInterrupt
        return original(updater, parts, done)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Updater, "step", step)
        with pytest.raises(KeyboardInterrupt):
            yield
