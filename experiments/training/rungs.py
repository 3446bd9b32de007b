"""Rungs: the points of a training at which its held-out score is reported, and it may be stopped."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Protocol

from torch import nn

from experiments.training.evaluation import Evaluation
from experiments.training.job import Job
from scaler.json_files import read_sealed, write_sealed
from scaler.results.score import Metrics

_REMEDY = "delete its folder, and the training starts from the beginning"


class PrunableTrial(Protocol):
    """The part of an Optuna trial that a training reports to."""

    def report(self, step: int, top1: float) -> None:
        """Store the held-out top-1, in percent, at a rung.

        Args:
            step: the images seen there, in units of those of the first rung.
        """

    def should_prune(self) -> bool:
        """Return True if the training should stop, given what was reported last."""


@dataclass(frozen=True, kw_only=True)
class RungSchedule:
    """The rungs of a training, and the trial to report to.

    Attributes:
        first_images: images seen at the first rung; None for those of an epoch.
        growth: images seen at a rung over those of the rung before; 1 for a rung after every ``first_images`` images.
    """

    trial: PrunableTrial
    first_images: int | None = None
    growth: int = 1

    def rungs(self, job: Job) -> dict[int, int]:
        """Return the rungs before the end of ``job``: updates done, and the step to report, in units of the first rung's images.

        A rung in the first epoch after the resolution switch moves back to the switch, because scores right after it are at
        chance.
        """
        found, rung = dict[int, int](), 1
        while (updates := ceil(rung * self._first_images(job) / job.batch_size)) < job.steps:
            after_switch = job.low_steps < updates < job.low_steps + job.steps_per_epoch
            found[job.low_steps if job.low_steps and after_switch else updates] = rung
            rung = rung * self.growth if self.growth > 1 else rung + 1
        return found

    def end(self, job: Job) -> int:
        """Return the step to report at the end of ``job``."""
        return ceil(job.steps * job.batch_size / self._first_images(job))

    def _first_images(self, job: Job) -> int:
        return self.first_images or job.steps_per_epoch * job.batch_size


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The evaluation at a rung, and the pruner's decision to stop the training there."""

    evaluation: Evaluation
    stop: bool


class RungLog:
    """The scores and decisions at the rungs of one training, kept in a file, so that they hold when the training resumes.

    Args:
        score: evaluates a network at the resolution, in pixels, that it is trained at when the rung is reached.

    Raises:
        DamagedFileError: if the file is not as it was written.
    """

    def __init__(self, path: Path, schedule: RungSchedule, job: Job, score: Callable[[nn.Module, int], Evaluation]) -> None:
        self.path, self.schedule, self.job, self.score = path, schedule, job, score
        self._rungs = schedule.rungs(job)
        self._entries = read_sealed(path, dict[str, Rung], _REMEDY) if path.exists() else {}
        self._report_again()

    @property
    def steps(self) -> list[int]:
        """The updates done at each rung."""
        return list(self._rungs)

    @property
    def seconds(self) -> float:
        """Wall time of all evaluations at rungs."""
        return sum(entry.evaluation.seconds for entry in self._entries.values())

    @property
    def metrics(self) -> list[Metrics]:
        """The metrics at the rungs that were reached, in order."""
        return [entry.evaluation.metrics for entry in self._entries.values()]

    @property
    def final_metrics(self) -> Metrics | None:
        """The metrics at the rung where the training was stopped; None if it was not."""
        for entry in self._entries.values():
            if entry.stop:
                return entry.evaluation.metrics
        return None

    def should_stop_after(self, step: int, model: nn.Module) -> bool:
        """Return True if the training should stop after ``step`` updates.

        At a rung ``model`` is evaluated and its score reported, unless an earlier call has done so.
        """
        if step not in self._rungs:
            return False
        rung = self._rungs[step]
        if str(rung) not in self._entries:
            evaluation = self.score(model, self.job.resolution_at(step - 1))
            self.schedule.trial.report(rung, evaluation.metrics.top1)
            stop = bool(self.schedule.trial.should_prune())  # some of Optuna's pruners return NumPy's bool
            self._entries[str(rung)] = Rung(evaluation=evaluation, stop=stop)
            write_sealed(self.path, {number: asdict(entry) for number, entry in self._entries.items()})
        return self._entries[str(rung)].stop

    def _report_again(self) -> None:
        """Report the rungs of an interrupted training, whose trial may be a new one.

        Optuna's successive halving records a rung only when it is asked for its decision there.
        """
        for rung, entry in self._entries.items():
            self.schedule.trial.report(int(rung), entry.evaluation.metrics.top1)
            self.schedule.trial.should_prune()
