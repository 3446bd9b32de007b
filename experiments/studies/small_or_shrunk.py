"""Compare what a user with few images can do: fine-tune a small model, shrink a large one, or train from scratch.

`python -m experiments.studies.small_or_shrunk --data torch/fashion_mnist:ROOT --out DIR`: a large seed and a hand-made small
model (the seed at half its width) are trained on the first five classes. Then 1,000 images of the other five, and the digits,
are learned in equally many updates by three networks of the small one's FLOPs. Interrupted, the same command continues.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData, ImageSet, Source
from experiments.data.input_format import InputFormat
from experiments.data.sources import Indices
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.scoring.start import InheritedStart
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import ARCHS, random_network, trained_model
from experiments.studies.trainings import Trainings, open_images
from models.inheritance.choice import choose
from models.inheritance.rule import Rule
from models.networks.model_spec import ModelSpec
from scaler.budget import Bound, Budget
from scaler.results.intervals import mean_with_interval
from scaler.space.feasible_set import FeasibleSet
from search_spaces.spaces import SPACES

FAMILY = "tiny_vit"
WAYS = ("shrunk", "small, fine-tuned", "small, from scratch")
TASKS = ("other five classes", "digits")
_HALF: dict[str, Any] = {"embed_dims": (16, 32, 64, 80), "num_heads": (1, 2, 4, 5)}
_RECIPE = replace(RECIPES["proxy"], epochs=8, warmup_epochs=0.5)


@dataclass(frozen=True)
class _Classes:
    """The images of ``source`` with its ``classes`` numbered from 0; only images of these are asked for."""

    source: Source
    classes: tuple[int, ...]

    @property
    def labels(self) -> Indices:
        return np.searchsorted(self.classes, self.source.labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        return ()

    def image(self, index: int) -> Any:
        return self.source.image(index)


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    seeds: Annotated[int, typer.Option("--seeds")] = 5,
    pretraining_images: Annotated[int, typer.Option("--pretraining-images")] = 20_000,
    pretraining_epochs: Annotated[int, typer.Option("--pretraining-epochs")] = 4,
    tuning_images: Annotated[int, typer.Option("--tuning-images")] = 1000,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json, seed by seed."""
    first, other = tuple(range(5)), tuple(range(5, 10))
    known = of_classes(open_data(data, train_images=pretraining_images), first)
    tasks = {
        TASKS[0]: of_classes(open_images(data, 2 * tuning_images, test_images=4000), other),
        TASKS[1]: open_images("digits", tuning_images, test_images=4000),
    }
    archs = {"large": ARCHS[FAMILY], "small": replace(ARCHS[FAMILY], **_HALF)}
    trained = {
        name: trained_model(name, arch.with_task(num_classes=len(first)), known, out / name, pretraining_epochs)
        for name, arch in archs.items()
    }
    settings = {"data": known.name, "pretraining_images": len(known.for_final_training().train), "epochs": pretraining_epochs}
    rows: list[dict[str, Any]] = []
    for seed, task in product(range(seeds), TASKS):
        rows += _tuned(task, trained, tasks[task], out / "trainings", seed)
        write_results(out, "small_or_shrunk", settings, rows, summary(rows))
    print_json(summary(rows))


def of_classes(images: ImageData, classes: tuple[int, ...]) -> ImageData:
    """Return the images of some classes, numbered from 0."""

    def some(part: ImageSet) -> ImageSet:
        return ImageSet(_Classes(part.source, classes), part.indices[np.isin(part.labels, classes)])

    some_parts = replace(images, train=some(images.train), holdout=some(images.holdout), test=some(images.test))
    return replace(some_parts, name=f"{images.name}, classes {classes}", num_classes=len(classes), class_names=())


def _tuned(task: str, trained: Mapping[str, ModelSpec], images: ImageData, folder: Path, seed: int) -> list[dict[str, Any]]:
    """One row for each way of learning a task."""
    trainings = Trainings(folder=folder, data=images)
    began = time.perf_counter()
    shrunk, its_format = _shrunk(trained["large"], trained["small"], images)
    choice = time.perf_counter() - began
    own_format = InputFormat.of(trained["small"])
    networks = (shrunk, its_format), (trained["small"].build(), own_format), (random_network(trained["small"], seed), own_format)
    rows = []
    for way, (network, input_format) in zip(WAYS, networks, strict=True):
        say(f"{task}, seed {seed}, {way}")
        _renew_head(network, images.num_classes, seed)
        outcome = trainings.run(way, network, input_format, _RECIPE, seed)
        seconds = outcome.seconds + (choice if way == WAYS[0] else 0)
        rows.append({"task": task, "way": way, "seed": seed, "top1": outcome.top1, "seconds": round(seconds, 1)})
    return rows


def _shrunk(large: ModelSpec, small: ModelSpec, images: ImageData) -> tuple[nn.Module, InputFormat]:
    """The large model shrunk to the FLOPs of the small one, and the images that it takes."""
    start = InheritedStart.of(large, Rule(), images)
    flops = small.count().flops
    band = Budget((("flops", Bound(0.98 * flops, flops)),))
    arch, _ = choose(FeasibleSet(SPACES[FAMILY](FAMILY, start.seed.arch, None), band), start.seed)
    spec = start.spec_of(FAMILY, arch)
    return start.cut(spec).network, InputFormat.of(spec)


def _renew_head(network: nn.Module, num_classes: int, seed: int) -> None:
    """Give a network a new classifier, as the classes are others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.reset_classifier(num_classes)  # type: ignore[operator]


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each task and way: mean and interval over seeds of top-1, of seconds, and of the shrunk network's lead over it."""
    found = []
    for task, way in product(TASKS, WAYS):
        mine, shrunk = ([row for row in rows if (row["task"], row["way"]) == (task, name)] for name in (way, WAYS[0]))
        if mine:
            leads = [a["top1"] - b["top1"] for a, b in zip(shrunk, mine, strict=True)]
            values = {"top1": [row["top1"] for row in mine], "seconds": [row["seconds"] for row in mine], "shrunk_ahead": leads}
            found.append(
                {"task": task, "way": way, "seeds": len(mine), **{key: mean_with_interval(v) for key, v in values.items()}}
            )
    return found


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("task", "way", "top-1", "seconds", "shrunk ahead")
    lines = [
        (row["task"], row["way"], *(shown(row[key]) for key in ("top1", "seconds", "shrunk_ahead"))) for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
