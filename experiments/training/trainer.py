"""The course of a training: updates, checks of the loss, rows of metrics and checkpoints."""

import math
import time
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from experiments.runtime.processes import all_gather, destroy_process_group, rank, wait_for_everyone, world_size
from experiments.runtime.progress import Meter
from experiments.runtime.signals import StopRequest
from experiments.training.batches import BatchLoader
from experiments.training.checkpoints import Checkpoints, TrainingProgress, resume, training_state
from experiments.training.divergence import DivergenceWatch
from experiments.training.interval_score import IntervalScore
from experiments.training.job import Job
from experiments.training.metrics_log import MetricsLog
from experiments.training.updater import Updater

_CHECK_EVERY = 20  # updates between checks of the loss, which wait for the device and for all processes


class Trainer:
    """Trains a network by a job, with checkpoints and metrics in a folder."""

    def __init__(self, model: nn.Module, job: Job, folder: Path) -> None:
        self.job = job
        self.updater = Updater(model, job)
        self.progress = TrainingProgress(loss_sum=torch.zeros((), device=job.device))
        self.checkpoints = Checkpoints(folder)
        self.log = MetricsLog(folder, job.setup.tensorboard and rank() == 0)
        self.divergence = DivergenceWatch(job, self.progress, self.checkpoints)
        self._score = IntervalScore(job=job)
        self._saved_at = time.monotonic()

    @property
    def step(self) -> int:
        """Updates done."""
        return self.progress.step

    @property
    def evaluated_model(self) -> nn.Module:
        """The network that is evaluated; see `Updater.evaluated_model`."""
        return self.updater.evaluated_model

    def resume(self) -> None:
        """Continue from the newest checkpoint, if there is one. See `experiments.training.checkpoints.resume`."""
        resume(self.checkpoints, self.updater, self.progress, self.log)

    def run_epoch(self, loader: BatchLoader, meter: Meter, stop: StopRequest, end: int | None = None) -> None:
        """Train to the end of the current epoch, or until ``end`` updates are done, which must lie within it.

        Raises:
            KeyboardInterrupt: if ``stop`` was requested; a checkpoint is written first.
            DivergedError: if the loss or the weights are no longer usable.
        """
        job, epoch = self.job, self.step // self.job.steps_per_epoch
        end = end or (epoch + 1) * job.steps_per_epoch
        started = time.monotonic() - self.progress.interval_seconds
        self.updater.train_mode()
        self.divergence.restart()
        parts = job.setup.accumulate
        batches = loader.batches(epoch, self.step % job.steps_per_epoch * parts)
        for update in zip(*[islice(batches, (end - self.step) * parts)] * parts, strict=True):
            self.progress.loss_sum += self.updater.step(update, self.step)
            self.progress.step += 1
            meter.advance(job.batch_size, f"epoch {epoch + 1}/{job.recipe.epochs}{self._last_interval()}")
            if self._is_check_due(stop, end):
                self.progress.interval_seconds = time.monotonic() - started
                self._check(stop, end)

    def finish(self) -> nn.Module:
        """Return the network to keep; see `Updater.finish`."""
        return self.updater.finish()

    def save(self) -> None:
        """Write a checkpoint and the metrics. All processes must call it.

        Raises:
            DivergedError: if the weights are not finite.
        """
        self.divergence.check_weights(self.updater.weight_norm())
        state = training_state(self.updater, self.progress, self.log)
        if rank() == 0:
            self.log.write()
            self.checkpoints.save(self.step, state)
        wait_for_everyone()
        self._saved_at = time.monotonic()

    def _is_check_due(self, stop: StopRequest, end: int) -> bool:
        """Return True every 20 updates and at ``end``; in a single process also for a stop request and a late checkpoint.

        Several processes gather during a check, so each must know by itself when all the others check.
        """
        regular = self.step % self.job.steps_per_epoch % _CHECK_EVERY == 0 or self.step == end
        return regular or (world_size() == 1 and (stop.requested or self._is_checkpoint_late()))

    def _is_checkpoint_late(self) -> bool:
        return time.monotonic() - self._saved_at >= self.job.setup.save_every

    def _check(self, stop: StopRequest, end: int) -> None:
        """Check the loss, end the interval at ``end``, save a checkpoint if it is due, and stop if that was requested."""
        loss_sum = sum(all_gather(float(self.progress.loss_sum))) / world_size()
        self.divergence.check_loss(loss_sum)
        if self.step == end:
            self._end_interval(loss_sum)
        stopping, late = any(all_gather(stop.requested)), all_gather(self._is_checkpoint_late())[0]
        if self.step == end or stopping or late:
            self.save()
        if stopping:
            destroy_process_group()
            raise KeyboardInterrupt

    def _last_interval(self) -> str:
        """Return the loss and the top-1 of the last finished interval in words; an empty text before the first one's end."""
        if not self.log.rows:
            return ""
        row = self.log.rows[-1]
        top1 = "" if math.isnan(row["top1"]) else f", {self._score.kind} top-1 {row['top1']:.1f} %"
        return f" (last: loss {row['loss']:.3f}{top1})"

    def _end_interval(self, loss_sum: float) -> None:
        progress, steps = self.progress, self.progress.step - self.progress.interval_start
        scored = self._score.evaluate(self.evaluated_model, progress.step, steps)
        row = {
            "epoch": progress.step / self.job.steps_per_epoch,
            "loss": loss_sum / steps,
            "lr": self.updater.lr,
            "seconds": progress.interval_seconds + (scored.seconds if scored else 0.0),
            "top1": scored.metrics.top1 if scored else math.nan,
        }
        self.log.add(row, progress.step)
        progress.start_interval()
