"""Updates of a network: everything that training changes, step by step, and its checkpoints."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.task.task import TrainingTask
from timm.utils import ModelEmaV3
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from experiments.data.seeding import key, set_generators
from experiments.losses.distillation import Distillation, make_task
from experiments.losses.stored_logits import DistillationTarget, StoredLogitsTask
from experiments.runtime.processes import all_gather, destroy_process_group, rank, world_size
from experiments.runtime.progress import Meter
from experiments.runtime.setup import ForwardOnly
from experiments.runtime.sharding import split, split_states, whole
from experiments.runtime.signals import StopRequest
from experiments.training.batches import BatchLoader
from experiments.training.checkpoints import Checkpoints, State, refused
from experiments.training.job import Job
from experiments.training.metrics_log import MetricsLog
from scaler.errors import DivergedError, ScalerError

_LOOK_EVERY = 20  # steps between looks at the loss, which wait for the device and, where there are several, for all processes
_DIVERGED = 10  # times the loss at the beginning, or that of a guess

Part = tuple[torch.Tensor, torch.Tensor | DistillationTarget]


class Trainer:
    """A network in training.

    Attributes:
        step: updates done.
        begun: updates done where the current stretch began: an epoch or a part of one, which ends as a row of the journal.
        total: this process's losses of the stretch so far, summed; its ``seconds`` so far are those of earlier calls.
        first: the mean loss when it was first looked at.
    """

    def __init__(self, model: nn.Module, job: Job, folder: Path) -> None:
        self.job, recipe = job, job.recipe
        self.machine = job.setup.accelerator(job.device)
        self.given, self.model = model, job.setup.place(model, job.device)
        self.ema = _average(model, job) if recipe.ema_decay else None
        self.optimizer = _optimizer(self.model, job)
        self.schedule = _schedule(self.optimizer, job)
        self.update = self.machine.prepare_optimizer(self.optimizer, device_placement=False)
        self.task = self._task()
        self.checkpoints, self.journal = Checkpoints(folder), MetricsLog(folder, job.setup.tensorboard and rank() == 0)
        self.step, self.begun, self.seconds, self.first = 0, 0, 0.0, math.nan
        self.total = torch.zeros((), device=job.device)
        self._saved, self._seen, self._until = time.monotonic(), (0, 0.0), 0

    def _task(self) -> TrainingTask:
        job = self.job
        if job.logits:
            task: TrainingTask = StoredLogitsTask(self.model, job.recipe, device=job.device)
        else:
            task = make_task(self.model, job.guide, job.recipe, job.mean, job.std, job.resolution, job.device)
        if isinstance(task, Distillation):
            task.autocast = self.machine.autocast
        # To Accelerate, a network in evaluation mode is one that needs no DDP.
        task.trainable_module = self.machine.prepare_model(ForwardOnly(task.trainable_module), evaluation_mode=job.setup.shard)
        return task

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self.step // self.job.steps_per_epoch

    def run_epoch(self, loader: BatchLoader, shown: Meter, stop: StopRequest, until: int | None = None) -> None:
        """The rest of an epoch, in its order, or of that what comes before ``until`` updates are done.

        Raises:
            KeyboardInterrupt: ``stop`` was asked for; a checkpoint is written.
        """
        self._train_mode()
        job, epoch, parts = self.job, self.epoch, self.job.setup.accumulate
        self._until = until or (epoch + 1) * job.steps_per_epoch
        done, began = self.step % job.steps_per_epoch, time.monotonic() - self.seconds
        self._seen = self.step, float(self.total)
        batches = islice(loader.batches(epoch, done * parts), (self._until - self.step) * parts)
        for update in zip(*[batches] * parts, strict=True):
            self.total += self._step(update, self.step)
            self.step += 1
            shown.advance(job.batch_size, f"epoch {epoch + 1}/{job.recipe.epochs}")
            if self._is_time(stop):
                self._look(stop, time.monotonic() - began)

    def _step(self, parts: Sequence[Part], step: int) -> torch.Tensor:
        """One update from the images of ``parts``; their mean loss before it."""
        self.schedule.step_update(step)
        self.update.zero_grad()
        total = torch.zeros((), device=self.job.device)
        for number, part in enumerate(parts):
            set_generators(key(self.job.seed, -1, step, number * world_size() + rank()), self.job.device)
            last = number + 1 == len(parts)
            with nullcontext() if last else self.machine.no_sync(self.task.trainable_module):
                loss = self._loss(*part) / len(parts)
                self.machine.backward(loss)
            total += loss.detach()
        if self.job.recipe.clip_grad:
            self.machine.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip_grad)
        self.update.step()
        if self.ema is not None:
            self.ema.update(self.model, step=step)
        return total

    def _loss(self, images: torch.Tensor, target: torch.Tensor | DistillationTarget) -> torch.Tensor:
        device = self.job.device
        layout = torch.channels_last if self.job.setup.channels_last else torch.contiguous_format
        images = images.to(device, non_blocking=True, memory_format=layout)
        loss: torch.Tensor = self.task(images, target.to(device, non_blocking=True))["loss"]
        return loss

    def _train_mode(self) -> None:
        self.task.train()
        for module in self.model.modules() if self.job.recipe.freeze_bn else ():
            if isinstance(module, _BatchNorm):
                module.eval()

    def _is_time(self, stop: StopRequest) -> bool:
        """To look: every 20 steps and at a stretch's end, which all processes know; a lone one also when something waits."""
        regular = self.step % self.job.steps_per_epoch % _LOOK_EVERY == 0
        return regular or self.step == self._until or (world_size() == 1 and (stop.asked or self._is_late()))

    def _is_late(self) -> bool:
        return time.monotonic() - self._saved >= self.job.setup.save_every

    def _look(self, stop: StopRequest, seconds: float) -> None:
        """See to the loss, to the end of a stretch, and to whether a checkpoint is due."""
        self.seconds = seconds
        mean = sum(all_gather(float(self.total))) / world_size()
        self._check_loss(mean)
        ends = self.step == self._until
        if ends:
            epochs, lr = self.step / self.job.steps_per_epoch, float(self.optimizer.param_groups[-1]["lr"])
            self.journal.add({"epoch": epochs, "loss": mean / (self.step - self.begun), "lr": lr, "seconds": seconds})
            self.begun, self.total, self.seconds = self.step, torch.zeros_like(self.total), 0.0
        asked, late = any(all_gather(stop.asked)), all_gather(self._is_late())[0]
        if ends or asked or late:
            self.save()
        if asked:
            destroy_process_group()
            raise KeyboardInterrupt

    def _check_loss(self, total: float) -> None:
        before, then = self._seen
        recent = (total - then) / max(1, self.step - before)
        self._seen = self.step, total
        self._check(math.isfinite(total), f"the loss is {total}")
        self.first = recent if math.isnan(self.first) else self.first
        usual = max(self.first, self.job.recipe.temperature**2 * math.log(self.job.data.num_classes))
        self._check(
            recent < _DIVERGED * usual, f"the loss is {recent:.4g}, over {_DIVERGED} times the {usual:.4g} of the beginning,"
        )

    def _check(self, good: bool, finding: str) -> None:
        if not good:
            kept = self.checkpoints.paths()
            place = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
            epoch = (self.step - 1) // self.job.steps_per_epoch + 1
            advice = "lower the recipe's lr or clip its gradient"
            raise DivergedError(f"{finding} at step {self.step}, in epoch {epoch}, and {place}: {advice}")

    def save(self) -> None:
        """Write a checkpoint, unless the weights are not to be gone on from: the last update shows in no loss yet."""
        norm = float(whole(nn.utils.get_total_norm(self.model.parameters())))
        self._check(math.isfinite(norm), f"the weights' norm is {norm}")
        state = whole(self._state(all_gather(self.total.cpu())), keep=rank() == 0)
        if rank() == 0:
            self.journal.write()
            self.checkpoints.save(self.step, state)
        self.machine.wait_for_everyone()
        self._saved = time.monotonic()

    def _state(self, totals: list[torch.Tensor]) -> State:
        state: State = {"step": self.step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"rows": self.journal.rows, "totals": totals, "seconds": self.seconds, "first": self.first, "begun": self.begun}
        state |= {"ema": self.ema.module.state_dict()} if self.ema else {}
        return state | ({"scaler": self.machine.scaler.state_dict()} if self.machine.scaler else {})

    def resume(self) -> None:
        """Go on from the newest checkpoint, where there is one.

        Raises:
            ScalerError: it is of another run, or the processes do not see the same one.
        """
        state = self.checkpoints.newest()
        if len(set(all_gather(state["step"] if state else 0))) > 1:
            raise ScalerError(
                f"the processes see different checkpoints in {self.checkpoints.folder}: they must share that folder"
            )
        if state is None:
            return
        try:
            self._load(state)
        except (RuntimeError, ValueError, LookupError) as error:
            raise refused(self.checkpoints.folder, error) from error

    def _load(self, state: State) -> None:
        self.model.load_state_dict(split(state["model"], self.model.state_dict()))
        self.optimizer.load_state_dict(split_states(state["optimizer"], self.optimizer))
        if self.ema is not None:
            self.ema.module.load_state_dict(split(state["ema"], self.ema.module.state_dict()))
        if self.machine.scaler is not None:
            self.machine.scaler.load_state_dict(state["scaler"])
        totals = state["totals"]
        same = len(totals) == world_size()
        self.total = (totals[rank()] if same else torch.stack(totals).mean()).to(self.job.device)
        self.step, self.begun, self.seconds, self.first = (state[name] for name in ("step", "begun", "seconds", "first"))
        self.journal.rows = state["rows"]

    @property
    def kept(self) -> nn.Module:
        """The network that is evaluated: the averaged one, where the recipe averages. It may be trained on."""
        found: nn.Module = self.model if self.ema is None else self.ema.module
        return found

    def result(self) -> nn.Module:
        """The network to keep, as it was given; it is not trained on. All processes must call it."""
        if isinstance(self.task, Distillation):
            self.task.release()
        self.job.setup.set_activation_checkpointing(self.kept, False)
        if not self.job.setup.shard:
            return self.kept
        self.given.load_state_dict(whole(self.kept.state_dict()))
        return self.given


def _average(model: nn.Module, job: Job) -> ModelEmaV3:
    """The running mean of the weights, placed as the network itself."""
    ema = ModelEmaV3(model, decay=job.recipe.ema_decay, foreach=not job.setup.shard)  # which takes no mixture of kinds
    ema.module = job.setup.place(ema.module, job.device)
    return ema


def _optimizer(model: nn.Module, job: Job) -> Any:
    recipe = job.recipe
    return create_optimizer_v2(
        model, recipe.opt, lr=recipe.lr * job.batch_size / 512, weight_decay=recipe.weight_decay, filter_bias_and_bn=True,
        layer_decay=recipe.layer_decay if recipe.layer_decay < 1 else None,
        **({"fused": True} if recipe.opt == "adamw" else {}),  # a small network's update takes a fifth of the time
    )  # fmt: skip


def _schedule(optimizer: Any, job: Job) -> Any:
    recipe, scale = job.recipe, job.batch_size / 512
    schedule, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=recipe.epochs, warmup_epochs=recipe.warmup_epochs, warmup_lr=recipe.warmup_lr * scale,
        min_lr=recipe.min_lr * scale, step_on_epochs=False, updates_per_epoch=job.steps_per_epoch, warmup_prefix=False,
    )  # fmt: skip
    return schedule
