"""The training loop: one for seeds, teachers and variants alike.

A run is a pure function of its arguments. Order and augmentation follow from (seed, epoch, index), the network's own random draws
from (seed, step), so that a checkpoint needs no generator's state and a continued run ends bit-identical to an uninterrupted one.
"""

from pathlib import Path

import torch
from torch import nn

from experiments.data.seeding import restored_generators
from experiments.runtime.progress import meter
from experiments.runtime.signals import stop_on_sigterm
from experiments.training.job import Job
from experiments.training.rungs import RungLog
from experiments.training.trainer import Trainer
from scaler.errors import ScalerError


def train_model(model: nn.Module, job: Job, folder: Path, title: str = "training", rungs: RungLog | None = None) -> nn.Module:
    """Train ``model`` and return it with the weights to keep (the averaged ones, where the recipe averages).

    A checkpoint and ``metrics.csv`` are written to ``folder`` after every epoch and at every rung, and a checkpoint now and then
    between them. Called again with the same arguments, training goes on from the last. All processes of a launch call it alike;
    the first one writes. ``rungs`` may stop it; they are asked again of the same rung when a training goes on there.

    Raises:
        KeyboardInterrupt: SIGTERM asked for the end; a checkpoint is written.
        DivergedError: the loss is no longer finite, or ten times what it was at the beginning.
        ScalerError: an image cannot be read, the checkpoint is of another run, or memory does not suffice.
    """
    trainer = Trainer(model, job, folder)
    loaders = {side: job.loader(side) for side in (job.side(0), job.resolution)}
    trainer.resume()
    with restored_generators(), stop_on_sigterm() as stop, meter(title, *_images_of(job, trainer.step)) as shown:
        try:
            while trainer.step < job.steps and not (rungs and rungs.stops(trainer.step, trainer.kept)):
                trainer.run_epoch(loaders[job.side(trainer.step)], shown, stop, _until(trainer.step, job, rungs))
        except torch.OutOfMemoryError as error:
            raise _too_large(job) from error
    return trainer.result()


def _until(step: int, job: Job, rungs: RungLog | None) -> int:
    """Updates done where the stretch after ``step`` of them ends: at a rung, with its epoch, or with the lower resolution."""
    epoch = (step // job.steps_per_epoch + 1) * job.steps_per_epoch
    return min(end for end in (epoch, job.low_steps, *(rungs.steps if rungs else ())) if end > step)


def _too_large(job: Job) -> ScalerError:
    parts = job.setup.accumulate
    at_once = job.loader().batch_size // job.loader().world
    return ScalerError(
        f"{job.device} has not the memory for {at_once} images at once (a batch of {job.batch_size}): try "
        f"--accumulate {2 * parts}, --precision bf16, --checkpoint-activations, or a smaller --batch-size"
    )


def _images_of(job: Job, step: int) -> tuple[int, int]:
    return job.steps * job.batch_size, step * job.batch_size
