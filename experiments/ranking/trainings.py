"""Trainings of the networks of a table of truth."""

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean

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
from experiments.training.evaluation import Evaluation
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungLog, RungSchedule
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.cost.architecture import Architecture, cost_of

Key = tuple[str, int, int]
_RUNGS = "rungs.json"


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
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

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
        epochs = self.settings.epochs * (self.settings.longer if group == LONGER else 1)
        spec, folder = model_spec_of(f"{group}-{net}", arch), self.folder / f"{group}-{net}-{repeat}"
        job = self.job(spec, repeat, epochs)
        score = partial(self._score_held_out, job.input_format)
        log = RungLog(folder / _RUNGS, RungSchedule(trial=_Unpruned()), job, score)
        model = train_model(initial_network(spec, repeat, job.recipe.drop_path), job, folder, title=folder.name, rungs=log)
        held_out = [*log.metrics, self.holdout.evaluate(model, job.input_format, job.device).metrics]
        test = self.test.evaluate(model, job.input_format, job.device).metrics
        with (folder / METRICS).open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        shutil.rmtree(folder)
        cost = cost_of(arch)
        return Training(
            group=group,
            net=net,
            repeat=repeat,
            epochs=epochs,
            arch=arch.to_dict(),
            flops=cost.flops,
            params=cost.params,
            resolution=arch.resolution,
            train_loss=_rounded(float(row["loss"]) for row in rows),
            holdout_loss=_rounded(metrics.loss for metrics in held_out),
            holdout_top1=_rounded(metrics.top1 for metrics in held_out),
            test_loss=round(test.loss, 5),
            test_top1=round(test.top1, 3),
            seconds=round(sum(float(row["seconds"]) for row in rows), 2),
        )

    def _score_held_out(self, input_format: InputFormat, model: nn.Module, resolution: int) -> Evaluation:
        return self.holdout.evaluate(model, replace(input_format, resolution=resolution), self.device)


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
    """Yield the trainings of the groups ``equal`` and ``range`` in an order of which every beginning is of use."""
    for group in (EQUAL, RANGE):
        for repeat in range(settings.repeats):
            for net in range(settings.nets):
                yield group, net, repeat


def to_train_longer(settings: Settings, trainings: Sequence[Training]) -> list[Key]:
    """Return trainings of the networks of ``equal`` that are evenly spread over the order of their mean test top-1."""
    tops: Mapping[int, list[float]] = {
        net: [row.test_top1 for row in trainings if (row.group, row.net) == (EQUAL, net)] for net in range(settings.nets)
    }
    order = sorted(tops, key=lambda net: mean(tops[net]))
    places = np.linspace(0, settings.nets - 1, settings.longer_nets).round().astype(int)
    return [(LONGER, order[place], 0) for place in places]


def _rounded(values: Iterator[float]) -> tuple[float, ...]:
    return tuple(round(value, 5) for value in values)
