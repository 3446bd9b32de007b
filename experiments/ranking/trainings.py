"""Trainings of the networks of a table of truth."""

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData, ImageSet
from experiments.data.input_format import InputFormat
from experiments.data.splits import stratified_subset
from experiments.logits.store import Store
from experiments.ranking.shared_views import SharedCrops, SharedJob, SharedViews
from experiments.ranking.truth import EQUAL, LONGER, RANGE, Settings, Training
from experiments.recipes import Recipe, get_recipe
from experiments.runtime.processes import pick_device
from experiments.training.evaluation import Evaluation
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungLog, RungSchedule
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.cost.architecture import Architecture, cost_of
from scaler.results.score import Metrics

Key = tuple[str, int, int]
_RUNGS, _DECIMALS = "rungs.json", 5
_BLOCK = 20  # networks


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """Return ``recipe`` over another number of epochs, annealed to their end, with the warm-up in proportion."""
    return replace(recipe, epochs=epochs, warmup_epochs=recipe.warmup_epochs * epochs / recipe.epochs)


def images_of(settings: Settings, data: str) -> ImageData:
    """Return the images of a table; those held out are in neither the seed's training nor the networks'."""
    opened = partial(open_data, data)
    of_networks, of_seed = opened(train_images=settings.train_images), opened(train_images=settings.seed_images)
    used = np.concatenate([part.for_final_training().train.indices for part in (of_networks, of_seed)])
    whole = opened().for_final_training().train
    rest = replace(whole, indices=np.setdiff1d(whole.indices, used))
    holdout: ImageSet = stratified_subset(rest, settings.holdout_images, data, np.random.default_rng(0))
    return replace(of_networks, holdout=holdout)


@dataclass(kw_only=True)
class Workshop:
    """All that the trainings of a table share.

    Attributes:
        data: see `images_of`.
        store: the seed's logits.
        folder: of trainings in progress.
    """

    settings: Settings
    data: ImageData
    store: Store
    folder: Path
    device: torch.device = field(default_factory=pick_device)

    def __post_init__(self) -> None:
        self.views = SharedViews(epochs=self.settings.epochs)
        self.holdout, self.test = SharedCrops(images=self.data.holdout), SharedCrops(images=self.data.test)

    @property
    def batch_size(self) -> int:
        """Images of an update."""
        return get_recipe(self.settings.recipe).batch_size

    def job(self, spec: ModelSpec, seed: int, epochs: int) -> SharedJob:
        """Return the training of ``spec`` over ``epochs`` epochs."""
        return SharedJob(
            data=self.data,
            recipe=shortened(get_recipe(self.settings.recipe), epochs),
            input_format=InputFormat.of(spec),
            seed=seed,
            store=self.store,
            device=self.device,
            shared=self.views,
        )

    def train(self, key: Key, arch: Architecture) -> Training:
        """Train ``arch``; an interrupted call continues when it is repeated."""
        group, net, repeat = key
        epochs, spec = self.settings.epochs_in(group), model_spec_of(f"{group}-{net}-{repeat}", arch)
        job, folder = self.job(spec, repeat, epochs), self.folder / spec.name
        model, held_out = self._trained(spec, job, folder)
        scored = _rounded({**_curves(folder, held_out), **_of_test(self.test.evaluate(model, job.input_format, job.device))})
        shutil.rmtree(folder)
        cost = {**cost_of(arch)._asdict(), "resolution": arch.resolution, "arch": arch.to_dict()}
        return Training(group=group, net=net, repeat=repeat, epochs=epochs, **cost, **scored)

    def _trained(self, spec: ModelSpec, job: SharedJob, folder: Path) -> tuple[nn.Module, list[Metrics]]:
        """Return the trained network, and its metrics on the held-out images after each epoch."""

        def score(model: nn.Module, resolution: int) -> Evaluation:
            return self.holdout.evaluate(model, replace(job.input_format, resolution=resolution), job.device)

        log = RungLog(folder / _RUNGS, RungSchedule(trial=_Unpruned()), job, score)
        network = initial_network(spec, job.seed, job.recipe.drop_path)
        model = train_model(network, job, folder, title=spec.name, rungs=log)
        return model, [*log.metrics, score(model, spec.resolution).metrics]


class _Unpruned:
    """A trial that no training stops for."""

    def report(self, step: int, top1: float) -> None:
        """Take no note: the scores are in the log."""

    def should_prune(self) -> bool:
        return False


def initial_network(spec: ModelSpec, seed: int, drop_path: float = 0.0) -> nn.Module:
    """Return the network of ``spec`` with random weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spec.build(drop_path_rate=drop_path)


def plan(settings: Settings) -> Iterator[Key]:
    """Yield the trainings of the groups ``equal`` and ``range``, 20 networks after 20: of these first one repeat, then the next.

    Networks are random draws, so that a table that ends early is a fair sample of the whole one.
    """
    for group in (EQUAL, RANGE):
        for first in range(0, settings.nets, _BLOCK):
            for repeat in range(settings.repeats):
                for net in range(first, min(first + _BLOCK, settings.nets)):
                    yield group, net, repeat


def to_train_longer(settings: Settings, trainings: Sequence[Training]) -> list[Key]:
    """Return trainings of the networks of ``equal`` that are evenly spread over the order of their mean test top-1."""
    tops: Mapping[int, list[float]] = {
        net: [row.test_top1 for row in trainings if (row.group, row.net) == (EQUAL, net)] for net in range(settings.nets)
    }
    order = sorted(tops, key=lambda net: mean(tops[net]))
    places = np.linspace(0, settings.nets - 1, settings.longer_nets).round().astype(int)
    return [(LONGER, order[place], 0) for place in places]


def _curves(folder: Path, held_out: Sequence[Metrics]) -> dict[str, Any]:
    """Return the columns of a training in ``folder`` that it was scored ``held_out`` in."""
    with (folder / METRICS).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        "train_loss": [float(row["loss"]) for row in rows],
        "holdout_loss": [metrics.loss for metrics in held_out],
        "holdout_top1": [metrics.top1 for metrics in held_out],
        "seconds": sum(float(row["seconds"]) for row in rows),
    }


def _of_test(evaluation: Evaluation) -> dict[str, Any]:
    return {"test_loss": evaluation.metrics.loss, "test_top1": evaluation.metrics.top1}


def _rounded(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``columns`` with five decimals, to keep the table small."""
    return {
        name: tuple(round(one, _DECIMALS) for one in value) if isinstance(value, list) else round(value, _DECIMALS)
        for name, value in columns.items()
    }
