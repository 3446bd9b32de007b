"""The seed of the runs: its cost and its stages from the architecture, its score where it was trained too."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.report.runs import Run
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.results.ledger import Record


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The model that the variants are shrunk from; ``records`` has its scores, one for each training seed."""

    name: str
    family: str
    arch: Mapping[str, Any]
    flops: int
    params: int
    resolution: int
    records: tuple[Record, ...] = ()


def seed_of(runs: Sequence[Run]) -> Seed | None:
    """Return the seed: the one that was trained, or the named seed of the first search; None if neither is known."""
    records = tuple({record.seed: record for run in runs for record in run.records if record.role == "seed"}.values())
    if records:
        first = records[0]
        same = tuple(record for record in records if record.arch == first.arch)
        return Seed(
            name=first.name, family=first.family, arch=json.loads(first.arch), flops=first.flops, params=first.params,
            resolution=first.resolution, records=same,
        )  # fmt: skip
    names = [str(run.request["seed_model"]) for run in runs if run.request.get("seed_model") in SEEDS]
    return _untrained(names[0], _classes(runs)) if names else None


def _untrained(name: str, classes: int | None) -> Seed:
    arch = SEEDS[name].with_task(num_classes=classes)
    cost = cost_of(arch)
    return Seed(
        name=name, family=arch.family, arch=arch.to_dict(), flops=cost.flops, params=cost.params, resolution=arch.resolution
    )


def _classes(runs: Sequence[Run]) -> int | None:
    found = (json.loads(record.arch).get("num_classes") for run in runs for record in run.records)
    return next((classes for classes in found if classes), None)
