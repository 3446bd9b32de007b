"""A model of a network's latency on one machine, fitted to measured networks: one more cost that adds up over parts.

Each kind of operator has three prices: of a run, of a FLOP, and of a parameter that a run reads. They are fitted, none below
zero, to the measured latencies of networks of the space; the error of the sums is found on networks left out of the fit.
Source of the idea: Cai et al. 2019 (ProxylessNAS), section 3.3, whose table of measured operators this makes continuous.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from scaler.arrays import Floats
from scaler.cost.architecture import Architecture, parts_of, read
from scaler.cost.operators import Number, Part
from scaler.files import cache_folder
from scaler.json_files import read_sealed, write_sealed

_FOLDS = 5
Prices = tuple[float, float, float]
LatencyKey = tuple[str, Mapping[str, Any]]  # the family and the axes of a space, which a model was fitted to


@dataclass(frozen=True)
class LatencyModel:
    """Predicts latencies, in whole nanoseconds.

    Attributes:
        prices: by kind of operator, the nanoseconds of a run, of a FLOP, and of a parameter read.
        error: median relative error on networks that were left out of the fit.
        networks: the number of networks that were measured.
        machine: the machine and the settings of the measurement, in words.
    """

    prices: Mapping[str, Prices]
    error: float
    networks: int
    machine: str

    def of(self, parts: Sequence[Part]) -> Number:
        """Return the nanoseconds of all runs of ``parts``, whose numbers are integers or arrays of them."""
        unknown: Prices = (0.0, 0.0, 0.0)
        runs = (_amounts(part) @ np.array(self.prices.get(part.kind, unknown)) for part in parts)
        found = np.rint(sum(runs, start=np.float64(0))).astype(np.int64)
        return found if found.ndim else int(found)

    def predict(self, arch: Architecture) -> int:
        """Return the nanoseconds of ``arch``: the sum over its segments, each rounded, as the feasible set adds them up."""
        values = arch.values()
        return sum(int(self.of(segment.parts(*read(values, segment)))) for segment in arch.segments())


def fit_latency_model(archs: Sequence[Architecture], nanoseconds: Sequence[float], machine: str) -> LatencyModel:
    """Fit prices to the measured latencies of ``archs``, and find their error by cross-validation.

    Raises:
        ValueError: there are fewer than two networks for each fold.
    """
    if len(archs) < 2 * _FOLDS:
        raise ValueError(f"{len(archs)} networks: prices are learned from {2 * _FOLDS} or more")
    kinds = sorted({part.kind for arch in archs for part in parts_of(arch)})
    amounts, measured = np.stack([_by_kind(arch, kinds) for arch in archs]), np.asarray(nanoseconds, float)
    fold = np.arange(len(archs)) % _FOLDS
    errors = [
        np.abs(amounts[fold == i] @ _fit(amounts[fold != i], measured[fold != i]) / measured[fold == i] - 1)
        for i in range(_FOLDS)
    ]
    found = _fit(amounts, measured).reshape(-1, 3).tolist()
    prices = {kind: (run, flop, param) for kind, (run, flop, param) in zip(kinds, found, strict=True)}
    return LatencyModel(prices, float(np.median(np.concatenate(errors))), len(archs), machine)


def _fit(amounts: Floats, measured: Floats) -> Floats:
    """Prices of least relative squared error, none below zero; columns are scaled alike, so that none is lost to rounding."""
    from scipy.optimize import nnls  # takes a moment to load

    scale = np.maximum(amounts.max(axis=0), 1)
    found: Floats = nnls(amounts / scale / measured[:, None], np.ones(len(measured)))[0] / scale
    return found


def _by_kind(arch: Architecture, kinds: Sequence[str]) -> Floats:
    found = np.zeros((len(kinds), 3))
    for part in parts_of(arch):
        found[kinds.index(part.kind)] += _amounts(part)
    return found.ravel()


def _amounts(part: Part) -> Floats:
    """(runs, FLOPs of all runs, parameters that they read), along the last axis."""
    each = (part.times, part.flops * part.times, part.params * part.times)
    return np.stack(np.broadcast_arrays(*(np.asarray(amount, float) for amount in each)), axis=-1)


def load_latency_model(key: LatencyKey) -> LatencyModel | None:
    """Load the model that was fitted on this machine for ``key`` from the user's cache, or None if there is none.

    Raises:
        DamagedFileError: if the file is not as it was written.
    """
    path = _path(key)
    return read_sealed(path, LatencyModel, "learn it again with `scaler latency SEED --learn`") if path.exists() else None


def save_latency_model(key: LatencyKey, latency: LatencyModel) -> LatencyModel:
    """Save ``latency`` in the user's cache, in place of the model of this machine and ``key`` before."""
    write_sealed(_path(key), latency)
    return latency


def _path(key: LatencyKey) -> Path:
    text = json.dumps([platform.node(), *key], sort_keys=True)
    return cache_folder() / f"latency-{sha256(text.encode()).hexdigest()[:16]}.json"
