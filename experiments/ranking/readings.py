"""Scores of networks: a value with its uncertainty and its cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Protocol

from scaler.cost.architecture import Architecture

TRAINING_PASSES = 3  # passes' worth of FLOPs in an update: forward, and twice that backward


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A score of one network.

    Attributes:
        value: the higher, the better the network is expected to be.
        uncertainty: standard error of ``value``.
        flops: of all passes through networks that the value took.
        seconds: of wall time.
    """

    value: float
    uncertainty: float = 0.0
    flops: int = 0
    seconds: float = 0.0


class Probe(Protocol):
    """A measurement of a network that gives one score or several."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores."""

    def __call__(self, arch: Architecture) -> Mapping[str, Reading]:
        """Return the reading of each of `names`."""


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of ``values`` and its standard error; 0 for a single value."""
    return mean(values), stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
