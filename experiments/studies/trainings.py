"""The trainings of a study. Each finished one is kept, so that the same command continues, or adds to them."""

import csv
import json
import shutil
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.data.splits import stratified_subset
from experiments.recipes import Recipe
from experiments.runtime.console import say
from experiments.runtime.processes import pick_device
from experiments.training.evaluation import evaluate_model
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from scaler.json_files import read_sealed, write_sealed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The test top-1 of a training in percent, and the wall time of its updates and its evaluation."""

    top1: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Trainings on ``data``; their outcomes are kept in ``folder``."""

    folder: Path
    data: ImageData

    def run(self, title: str, network: nn.Module, input_format: InputFormat, recipe: Recipe, seed: int) -> Outcome:
        """Train ``network``, which is changed, on all training images, and return its outcome on the test images.

        A training is known by the weights that it starts from: two ways to the same weights are one training.
        """
        key = self._key(network, input_format, recipe, seed)
        kept = self.folder / f"{key}.json"
        if kept.exists():
            return read_sealed(kept, Outcome, "delete it, and the network is trained again")
        work, data, device = self.folder / key, self.data.for_final_training(), pick_device()
        job = Job(data=data, recipe=recipe, input_format=input_format, seed=seed, device=device)
        trained = train_model(network, job, work, title)
        found = evaluate_model(trained, data.test, input_format, device)
        outcome = Outcome(top1=found.metrics.top1, seconds=_seconds(work) + found.seconds)
        write_sealed(kept, outcome)
        shutil.rmtree(work)
        say(f"{title}: {outcome.top1:.2f} % in {outcome.seconds:.0f} s")
        return outcome

    def _key(self, network: nn.Module, input_format: InputFormat, recipe: Recipe, seed: int) -> str:
        parts = [part.digest() for part in (self.data.train, self.data.holdout, self.data.test)]
        facts = [asdict(recipe), asdict(input_format), self.data.name, parts, str(network), seed]
        digest = sha256(json.dumps(facts).encode())
        for tensor in network.state_dict().values():
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def open_images(data: str, train_images: int, test_images: int, seed: int = 0) -> ImageData:
    """Return a data set with stratified subsets of its training images, by ``seed``, and of its test images, always the same."""
    images = open_data(data, train_images=train_images, seed=seed)
    test = stratified_subset(images.test, min(test_images, len(images.test)), data, np.random.default_rng(0))
    return replace(images, test=test)


def _seconds(work: Path) -> float:
    """The wall time of a training's updates, over all calls."""
    with (work / METRICS).open(encoding="utf-8") as handle:
        return sum(float(row["seconds"]) for row in csv.DictReader(handle))
