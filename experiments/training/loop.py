"""The training loop of seeds, teachers and variants.

A run is a pure function of its arguments. Order and augmentation depend on (seed, epoch, index) and the network's own random
draws on (seed, step), so a checkpoint needs no generator's state, and a resumed run ends bit-identical to an uninterrupted one.
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
    """Train ``model`` and return it with the weights to keep: the averaged ones if the recipe averages.

    A checkpoint and ``metrics.csv`` are written to ``folder`` after every epoch and at every rung, and a checkpoint every
    ``job.setup.save_every`` seconds. A second call with the same arguments resumes from the last checkpoint. All processes of a
    launch must call it with the same arguments; the first one writes. ``rungs`` may stop the training early.

    Raises:
        KeyboardInterrupt: if SIGTERM arrived; a checkpoint is written first.
        DivergedError: if the loss is not finite or ten times the initial one.
        ScalerError: if an image cannot be read, the checkpoint is of another run, or memory runs out.
    """
    trainer = Trainer(model, job, folder)
    loaders = {resolution: job.loader(resolution) for resolution in (job.resolution_at(0), job.input_format.resolution)}
    trainer.resume()
    with restored_generators(), stop_on_sigterm() as stop, meter(title, *_images_of(job, trainer.step)) as progress:
        try:
            while trainer.step < job.steps and not (rungs and rungs.should_stop_after(trainer.step, trainer.evaluated_model)):
                loader = loaders[job.resolution_at(trainer.step)]
                trainer.run_epoch(loader, progress, stop, _interval_end(trainer.step, job, rungs))
        except torch.OutOfMemoryError as error:
            raise _out_of_memory(job) from error
    return trainer.finish()


def _interval_end(step: int, job: Job, rungs: RungLog | None) -> int:
    """Return the updates done at the end of the interval that starts at ``step``.

    An interval ends with its epoch, at a rung, or at the switch of the resolution.
    """
    epoch = (step // job.steps_per_epoch + 1) * job.steps_per_epoch
    return min(end for end in (epoch, job.low_steps, *(rungs.steps if rungs else ())) if end > step)


def _out_of_memory(job: Job) -> ScalerError:
    parts = job.setup.accumulate
    at_once = job.loader().batch_size // job.loader().world_size
    return ScalerError(
        f"out of memory on {job.device} with {at_once} images per forward pass (batch size {job.batch_size}): try "
        f"--accumulate {2 * parts}, --precision bf16, --checkpoint-activations, or a smaller --batch-size"
    )


def _images_of(job: Job, step: int) -> tuple[int, int]:
    """Return the images of the whole training and those of its first ``step`` updates."""
    return job.steps * job.batch_size, step * job.batch_size
