"""Scores from short trainings, each annealed to its own end, from random weights or from the seed's."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from experiments.data.input_format import InputFormat
from experiments.data.seeding import restored_generators
from experiments.ranking.readings import TRAINING_PASSES, Reading, mean_and_error
from experiments.ranking.shared_views import SharedJob
from experiments.ranking.trainings import Workshop, initial_network
from experiments.training.updater import Part, Updater
from models.inheritance.inherit import inherit_from
from models.inheritance.prepared_seed import PreparedSeed
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.cost.architecture import Architecture, cost_of

_FIRST_DRAW = 1000  # seed of the weights and draws, which no training of a table has


@dataclass(frozen=True, kw_only=True)
class ShortTraining:
    """A training of ``steps`` updates over ``epochs`` epochs, and its scores.

    They are the top-1 and the loss, with its sign turned, on the held-out images, and the sum of the training losses, likewise.

    Attributes:
        seed: the network to inherit weights from; None for random weights.
        steps: updates; 0 for the network as it is cut.
    """

    shop: Workshop
    steps: int
    epochs: int = 1
    seed: PreparedSeed | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores."""
        start = f"{'inherited' if self.seed else 'random'}_{self.steps}"
        return tuple(f"{start}_{what}" for what in ("top1", "loss", *(["train_losses"] if self.steps else [])))

    def __call__(self, arch: Architecture) -> Mapping[str, Reading]:
        """Return the reading of each of `names`."""
        started, spec = time.monotonic(), model_spec_of(self.names[0], arch)
        network, flops = self._start(spec, arch)
        losses = self._train(network, spec) if self.steps else []
        trained, flops = time.monotonic() - started, flops + TRAINING_PASSES * cost_of(arch).flops * self._images * self.epochs
        tops, held_out = self._evaluate(network, InputFormat.of(spec))
        whole, evaluated = time.monotonic() - started, flops + cost_of(arch).flops * len(self.shop.data.holdout)
        readings = {
            "top1": _reading(tops, evaluated, whole),
            "loss": _reading([-loss for loss in held_out], evaluated, whole),
            "train_losses": _reading([-loss for loss in losses], flops, trained) if losses else None,
        }
        return {name: reading for name, reading in zip(self.names, readings.values(), strict=False) if reading}

    @property
    def _images(self) -> int:
        """Images of an epoch."""
        return self.steps // self.epochs * self.shop.batch_size

    def _start(self, spec: ModelSpec, arch: Architecture) -> tuple[nn.Module, int]:
        """Return the network before its training, and the FLOPs that it took."""
        if self.seed is None:
            return initial_network(spec, _FIRST_DRAW), 0
        inheriting: Any = arch
        return inherit_from(self.seed, inheriting).network, cost_of(arch).flops * sum(
            len(images) for images, _ in self.seed.batches
        )

    def _train(self, network: nn.Module, spec: ModelSpec) -> list[float]:
        """Train ``network`` and return the loss of every update."""
        data = self.shop.data
        some = replace(data, train=replace(data.train, indices=data.train.indices[: self._images]))
        job = replace(self.shop.job(spec, _FIRST_DRAW, self.epochs), data=some)
        with restored_generators():
            updater = Updater(network, job)
            updater.train_mode()
            losses = [float(updater.step([part], number)) for number, part in enumerate(_parts(job))]
            updater.finish()
        return losses

    @torch.no_grad()
    def _evaluate(self, network: nn.Module, input_format: InputFormat) -> tuple[list[float], list[float]]:
        """Return the top-1 and the loss of every batch of held-out images, which are of one size."""
        found = self.shop.holdout.by_batch(network, input_format, self.shop.device)
        return [one.top1 for one in found], [one.loss for one in found]


def _parts(job: SharedJob) -> Iterator[Part]:
    loader = job.loader()
    for epoch in range(job.recipe.epochs):
        yield from loader.batches(epoch)


def _reading(values: Sequence[float], flops: int, seconds: float) -> Reading:
    value, error = mean_and_error(values)
    return Reading(value=value, uncertainty=error, flops=flops, seconds=seconds)
