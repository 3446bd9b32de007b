"""The training loop: one for seeds, teachers and variants alike.

A run is a pure function of its arguments. Order and augmentation follow from (seed, epoch, index), the network's own random draws
from (seed, step), so that a checkpoint needs no generator's state and a continued run ends bit-identical to an uninterrupted one.
"""

import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task.task import TrainingTask
from timm.utils import ModelEmaV3
from torch import nn

from experiments.data import ImageData
from experiments.loader import Loader
from experiments.logits.store import Store
from experiments.logits.task import Replayed, Taught
from experiments.progress import Meter, meter
from experiments.recipes import Recipe
from experiments.replay import generators_restored, key, set_generators
from experiments.tasks import Guide, make_task
from scaler.errors import DivergedError, ScalerError
from scaler.files import write_atomic, write_text

CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"
_CHECK_EVERY = 20  # steps between looks at the loss, which wait for the device


def pick_device() -> torch.device:
    """CUDA where there is one, then Apple's, then the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to train on what. ``mean`` and ``std`` are the student's; ``resolution`` is its own, in pixels.

    A teacher is at hand (``guide``) or stored (``logits``), in which case the store's seed rules order and augmentation.
    """

    data: ImageData
    recipe: Recipe
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int
    guide: Guide | None = None
    logits: Store | None = None
    device: torch.device = field(default_factory=pick_device)
    workers: int = 0

    @property
    def batch_size(self) -> int:
        """The recipe's, or as many images as there are, made even for mixup."""
        return max(2, min(self.recipe.batch_size, len(self.data.train)) // 2 * 2)

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.data.train) // self.batch_size)


def train(
    model: nn.Module,
    job: Job,
    folder: Path,
    title: str = "training",
    stops: Callable[[int, nn.Module], bool] = lambda epoch, model: False,
) -> nn.Module:
    """Train ``model`` and return it with the weights to keep (the averaged ones, where the recipe averages).

    A checkpoint and ``metrics.csv`` are written to ``folder`` after every epoch. Called again with the same arguments, training
    goes on from there. Before each epoch but the first ``stops`` is asked, with the number of epochs done and the weights that
    would be kept.

    Raises:
        DivergedError: the loss is no longer finite.
        ScalerError: an image cannot be read, or the checkpoint is of another run.
    """
    # Channels last: 1.2x faster for convolutions on two cores, and what tensor cores want.
    state = _State(model.to(job.device).to(memory_format=torch.channels_last), job)
    state.resume(folder / CHECKPOINT)
    loader = Loader(
        data=job.data, recipe=job.recipe, seed=job.seed, resolution=job.resolution, mean=job.mean, std=job.std,
        batch_size=job.batch_size, device=job.device, workers=job.workers, logits=job.logits,
    )  # fmt: skip
    with generators_restored(), meter(title, *_images_of(job, state.epoch)) as shown:
        while state.epoch < job.recipe.epochs and not (state.epoch and stops(state.epoch, state.result())):
            state.run_epoch(loader, state.epoch, shown)
            state.save(folder)
    return state.result()


@dataclass
class _State:
    """Everything that training changes."""

    model: nn.Module
    job: Job
    epoch: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        job, recipe = self.job, self.job.recipe
        if job.logits:
            self.task: TrainingTask = Replayed(self.model, recipe, device=job.device)
        else:
            self.task = make_task(self.model, job.guide, recipe, job.mean, job.std, job.resolution, job.device)
        scale = job.batch_size / 512
        self.optimizer = create_optimizer_v2(
            self.model, recipe.opt, lr=recipe.lr * scale, weight_decay=recipe.weight_decay, filter_bias_and_bn=True
        )
        self.schedule, _ = create_scheduler_v2(
            self.optimizer, "cosine", num_epochs=recipe.epochs, warmup_epochs=recipe.warmup_epochs,
            warmup_lr=recipe.warmup_lr * scale, min_lr=recipe.min_lr * scale, step_on_epochs=False,
            updates_per_epoch=job.steps_per_epoch, warmup_prefix=False,
        )  # fmt: skip
        self.ema = ModelEmaV3(self.model, decay=recipe.ema_decay) if recipe.ema_decay else None

    def run_epoch(self, loader: Loader, epoch: int, shown: Meter) -> None:
        """One pass over the training images, in the order of ``epoch``."""
        self.model.train()
        began, total = time.monotonic(), torch.zeros((), device=self.job.device)
        for i, (images, target) in enumerate(loader.batches(epoch)):
            step = epoch * self.job.steps_per_epoch + i
            total += self._step(images, target, step)
            if (i + 1) % _CHECK_EVERY == 0 or i + 1 == self.job.steps_per_epoch:
                self._check_finite("loss", total, step)
            shown.advance(len(images), f"epoch {epoch + 1}/{self.job.recipe.epochs}")
        # The last step's update shows in no loss yet, and a checkpoint must be one to go on from.
        self._check_finite("weights' norm", nn.utils.get_total_norm(self.model.parameters()), step)
        lr = float(self.optimizer.param_groups[0]["lr"])
        loss = float(total) / self.job.steps_per_epoch
        self.rows.append({"epoch": epoch + 1, "loss": loss, "lr": lr, "seconds": time.monotonic() - began})
        self.epoch = epoch + 1

    def _step(self, images: torch.Tensor, target: torch.Tensor | Taught, step: int) -> torch.Tensor:
        device = self.job.device
        set_generators(key(self.job.seed, -1, step), device)
        self.schedule.step_update(step)
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        loss: torch.Tensor = self.task(images, target.to(device, non_blocking=True))["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        if self.job.recipe.clip_grad:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip_grad)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model, step=step)
        return loss.detach()

    def _check_finite(self, what: str, value: torch.Tensor, step: int) -> None:
        if not torch.isfinite(value):
            kept = f"the checkpoint of epoch {self.epoch} is kept" if self.epoch else "no epoch was finished"
            raise DivergedError(
                f"the {what} is {float(value)} at step {step + 1}, in epoch {step // self.job.steps_per_epoch + 1}, and {kept}: "
                "lower the recipe's lr or clip its gradient"
            )

    def save(self, folder: Path) -> None:
        state = {"epoch": self.epoch, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"rows": self.rows} | ({"ema": self.ema.module.state_dict()} if self.ema else {})
        write_text(folder / METRICS, _as_csv(self.rows))
        write_atomic(folder / CHECKPOINT, lambda path: torch.save(state, path))

    def resume(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.job.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, LookupError, OSError, EOFError, UnpicklingError) as error:
            reason = str(error).splitlines()[0]
            raise ScalerError(f"{path} is damaged or of another run ({reason}): delete it or choose another --out") from error
        if self.ema is not None:
            self.ema.module.load_state_dict(state["ema"])
        self.epoch, self.rows = state["epoch"], state["rows"]

    def result(self) -> nn.Module:
        return self.model if self.ema is None else self.ema.module


def _images_of(job: Job, epoch: int) -> tuple[int, int]:
    per_epoch = job.steps_per_epoch * job.batch_size
    return job.recipe.epochs * per_epoch, epoch * per_epoch


def _as_csv(rows: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
