"""Looks at a training on its way: where they come, what was seen, and what was decided there."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

from torch import nn

from experiments.training.evaluation import Metrics
from experiments.training.job import Job
from scaler.files import write_json


@dataclass(frozen=True, kw_only=True)
class RungSchedule:
    """Who looks at a training, and when.

    Attributes:
        stops: from how far it is, in units of ``first``, and its held-out top-1 in percent, to whether it is to stop there.
        first: images seen at the first look; None for those of an epoch.
        growth: each look comes after so many times the images of the one before; 1 for one after every ``first`` images.
    """

    stops: Callable[[int, float], bool]
    first: int | None = None
    growth: int = 1

    def looks(self, job: Job) -> dict[int, int]:
        """By the updates done there, each look before the end of ``job``, in units of ``first``.

        One that would fall into the first epoch after the lower resolution comes at the end of that one: just after the change
        scores are at chance.
        """
        found, place = dict[int, int](), 1
        while (step := ceil(place * self._first(job) / job.batch_size)) < job.steps:
            changes = job.low_steps < step < job.low_steps + job.steps_per_epoch
            found[job.low_steps if job.low_steps and changes else step] = place
            place = place * self.growth if self.growth > 1 else place + 1
        return found

    def end(self, job: Job) -> int:
        """The end of ``job`` in units of ``first``."""
        return ceil(job.steps * job.batch_size / self._first(job))

    def _first(self, job: Job) -> int:
        return self.first or job.steps_per_epoch * job.batch_size


class RungLog:
    """The looks at one training, kept beside its checkpoint: what was decided once holds when the training goes on.

    Attributes:
        steps: the updates after which the training is looked at.
    """

    def __init__(self, path: Path, watch: RungSchedule, job: Job, score: Callable[[nn.Module, int], Metrics]) -> None:
        """``score`` takes a network and the side of the images, in pixels, that it is trained on there."""
        self.path, self.watch, self.job, self.score = path, watch, job, score
        self.steps = watch.looks(job)
        self.kept: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for place, rung in self.kept.items():
            watch.stops(int(place), rung["metrics"]["top1"])

    @property
    def seconds(self) -> float:
        """Wall time of all these scores."""
        return sum(rung["metrics"]["seconds"] for rung in self.kept.values())

    @property
    def stopped(self) -> Metrics | None:
        """What was seen where the training was stopped, if it was."""
        return next((Metrics(**rung["metrics"]) for rung in self.kept.values() if rung["stop"]), None)

    def stops(self, step: int, model: nn.Module) -> bool:
        """Whether the training ends after ``step`` updates; where it was not looked at yet, ``model`` is scored."""
        if step not in self.steps:
            return False
        place = self.steps[step]
        if str(place) not in self.kept:
            metrics = self.score(model, self.job.side(step - 1))
            stop = self.watch.stops(place, metrics.top1)
            self.kept[str(place)] = {"metrics": asdict(metrics), "stop": stop}
            write_json(self.path, self.kept)
        return bool(self.kept[str(place)]["stop"])
