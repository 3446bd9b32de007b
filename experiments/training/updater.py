"""A network with its optimizer and the running average of its weights: all that one update changes."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from timm.task.task import TrainingTask
from timm.utils import ModelEmaV3
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from experiments.data.seeding import key, set_generators
from experiments.losses.distillation import Distillation, make_task
from experiments.losses.elastic import ElasticLoss
from experiments.losses.stored_logits import StoredLogitsTask
from experiments.runtime.processes import rank, world_size
from experiments.runtime.setup import ForwardOnly
from experiments.runtime.sharding import full_state
from experiments.training.batches import Target
from experiments.training.job import Job
from experiments.training.optimizer import make_optimizer, make_schedule

Part = tuple[torch.Tensor, Target]


class Updater:
    """Updates a network by the recipe of a job.

    Attributes:
        accelerator: spreads the network over the processes and sets its precision.
        model: the network in training, on its device.
        ema: the running average of its weights; None if the recipe keeps none.
        optimizer: of the parameters of ``model``.
    """

    def __init__(self, model: nn.Module, job: Job) -> None:
        self.job = job
        self.accelerator = job.setup.accelerator(job.device)
        self._given, self.model = model, job.setup.place(model, job.device)
        self.ema = _average(model, job) if job.recipe.ema_decay else None
        self.optimizer = make_optimizer(self.model, job)
        self._schedule = make_schedule(self.optimizer, job)
        self._accelerated_optimizer = self.accelerator.prepare_optimizer(self.optimizer, device_placement=False)
        self._task = self._make_task()
        self._elastic = ElasticLoss(self.model, job.members, job.recipe, job.steps) if job.members is not None else None

    def train_mode(self) -> None:
        """Set the network to training mode, except for batch norms that the recipe freezes."""
        self._task.train()
        for module in self.model.modules() if self.job.recipe.freeze_bn else ():
            if isinstance(module, _BatchNorm):
                module.eval()

    def step(self, parts: Sequence[Part], number: int) -> torch.Tensor:
        """Update the network once.

        Args:
            parts: images and targets on the device, passed through the network one after the other.
            number: updates done before.

        Returns:
            The mean loss of ``parts`` before the update.
        """
        self._schedule.step_update(number)
        self._accelerated_optimizer.zero_grad()
        loss = self._backward(parts, number)
        if self.job.recipe.clip_grad:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip_grad)
        self._accelerated_optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model, step=number)
        return loss

    def _backward(self, parts: Sequence[Part], number: int) -> torch.Tensor:
        """Add the gradients of ``parts`` up and return their mean loss."""
        mean_loss = torch.zeros((), device=self.job.device)
        for index, part in enumerate(parts):
            set_generators(key(self.job.seed, -1, number, index * world_size() + rank()), self.job.device)
            is_last = index + 1 == len(parts)
            with nullcontext() if is_last else self.accelerator.no_sync(self._task.trainable_module):
                loss = self._loss(*part, number) / len(parts)
                self.accelerator.backward(loss)
            mean_loss += loss.detach()
        return mean_loss

    def _loss(self, images: torch.Tensor, target: Target, number: int) -> torch.Tensor:
        layout = torch.channels_last if self.job.setup.channels_last else torch.contiguous_format
        images = images.to(memory_format=layout)
        found: dict[str, torch.Tensor] = self._task(images, target)
        return found["loss"] if self._elastic is None else self._elastic(found, images, target, number)

    @property
    def lr(self) -> float:
        """The learning rate of the last layers."""
        return float(self.optimizer.param_groups[-1]["lr"])

    def weight_norm(self) -> float:
        """Return the norm of all weights. All processes must call it."""
        return float(full_state(nn.utils.get_total_norm(self.model.parameters())))

    @property
    def evaluated_model(self) -> nn.Module:
        """The network that is evaluated: the averaged one if the recipe averages. Training may go on afterwards."""
        found: nn.Module = self.model if self.ema is None else self.ema.module
        return found

    def finish(self) -> nn.Module:
        """Return the network to keep, in the form in which it was given. All processes must call it; training ends here."""
        if isinstance(self._task, Distillation):
            self._task.release()
        self.job.setup.set_activation_checkpointing(self.evaluated_model, False)
        if not self.job.setup.shard:
            return self.evaluated_model
        self._given.load_state_dict(full_state(self.evaluated_model.state_dict()))
        return self._given

    def _make_task(self) -> TrainingTask:
        job = self.job
        if job.store:
            task: TrainingTask = StoredLogitsTask(self.model, job.recipe, device=job.device)
        else:
            task = make_task(self.model, job.teacher, job.recipe, job.input_format, job.device)
        if isinstance(task, Distillation):
            task.autocast = self.accelerator.autocast
        # To Accelerate, a network in evaluation mode is one that needs no DDP.
        network = ForwardOnly(task.trainable_module)
        task.trainable_module = self.accelerator.prepare_model(network, evaluation_mode=job.setup.shard)
        return task


def _average(model: nn.Module, job: Job) -> ModelEmaV3:
    """Return the running average of the weights, placed as the network itself."""
    ema = ModelEmaV3(model, decay=job.recipe.ema_decay, foreach=not job.setup.shard)  # foreach takes no mixture of tensor kinds
    ema.module = job.setup.place(ema.module, job.device)
    return ema
