"""The time that a training will take, from a few of its updates."""

import time
from itertools import islice

from torch import nn

from experiments.data.seeding import restored_generators
from experiments.training.job import Job
from experiments.training.updater import Updater

_UPDATES = 3  # the first one, in which memory is allocated, does not count


def estimate_seconds(model: nn.Module, job: Job) -> float:
    """Return about how many seconds the updates of ``job`` take. ``model`` is updated; no generator's state changes."""
    with restored_generators():
        updater, ends = Updater(model, job), list[float]()
        updater.train_mode()
        batches = islice(job.loader(job.resolution_at(0)).batches(0), _UPDATES * job.setup.accumulate)
        for number, parts in enumerate(zip(*[batches] * job.setup.accumulate, strict=True)):
            float(updater.step(parts, number))  # waits for the device
            ends.append(time.monotonic())
        updater.finish()
    return _interval(ends) * job.steps


def _interval(ends: list[float]) -> float:
    """Return the mean time between the ends of updates; 0 for a single one, of a training that is over at once."""
    return (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else 0.0
