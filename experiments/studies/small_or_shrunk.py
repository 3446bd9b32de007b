"""Compare what a user with few images can do: fine-tune a small model, shrink a large one, or train from scratch.

`python -m experiments.studies.small_or_shrunk --data torch/fashion_mnist:ROOT --out DIR`: a large seed and a hand-made small
model (the seed at half its width) are trained on the first five classes. Then 1,000 images of the other five, and the digits,
are learned in equally many updates by networks of the small one's FLOPs: two shrunk from the large one, the small one, and one
from scratch. The time to choose and to cut is charged. Interrupted, the same command continues.
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

from experiments.commands.open_start import calibrated_rule
from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData, ImageSet, Source
from experiments.data.input_format import InputFormat
from experiments.data.sources import Indices
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.scoring.start import InheritedStart
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import ARCHS, random_network, scaled_arch, trained_model
from experiments.studies.trainings import Trainings, open_images
from models.inheritance.choice import choose
from models.networks.model_spec import ModelSpec
from scaler.budget import Bound, Budget
from scaler.results.intervals import mean_with_interval
from scaler.space.feasible_set import FeasibleSet
from search_spaces.spaces import SPACES

FAMILY = "tiny_vit"
SMALL = "small, fine-tuned"
WAYS = ("shrunk, uniform scaling", "shrunk, most importance", SMALL, "small, from scratch")
TASKS = ("other five classes", "digits")
_HALF: dict[str, Any] = {"embed_dims": (16, 32, 64, 80), "num_heads": (1, 2, 4, 5)}
_RECIPE = replace(RECIPES["proxy"], epochs=8, lr=16e-3, warmup_epochs=0.5)


_Start = tuple[nn.Module, InputFormat, float]  # a network, its images, and the seconds to get it


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
        return tuple(self.source.class_names[number] for number in self.classes)

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
    names = tuple(images.class_names[number] for number in classes)
    return replace(some_parts, name=f"{images.name}, classes {classes}", num_classes=len(classes), class_names=names)


def _tuned(task: str, trained: Mapping[str, ModelSpec], images: ImageData, folder: Path, seed: int) -> list[dict[str, Any]]:
    """One row for each way of learning a task."""
    trainings, rows = Trainings(folder=folder, data=images), []
    starts = {**_shrunk(trained["large"], trained["small"], images, seed), **_small(trained["small"], images.num_classes, seed)}
    for way in WAYS:
        network, input_format, before = starts[way]
        say(f"{task}, seed {seed}, {way}")
        outcome = trainings.run(way, network, input_format, _RECIPE, seed)
        rows.append({"task": task, "way": way, "seed": seed, "top1": outcome.top1, "seconds": round(outcome.seconds + before, 1)})
    return rows


def _shrunk(large: ModelSpec, small: ModelSpec, images: ImageData, seed: int) -> dict[str, _Start]:
    """The large model shrunk to the FLOPs of the small one, as `scaler shrink` does for images of other classes."""
    began = time.perf_counter()
    start = InheritedStart.of(large, calibrated_rule(large, seed), images)
    arch = start.seed.arch.with_task(num_classes=images.num_classes)
    flops = small.for_classes(images.class_names, images.num_classes).count().flops
    feasible = FeasibleSet(SPACES[FAMILY](FAMILY, arch, None), Budget((("flops", Bound(0.98 * flops, flops)),)))
    archs = scaled_arch(feasible), choose(feasible, start.seed)[0]
    specs = {way: start.spec_of(way, arch) for way, arch in zip(WAYS, archs, strict=False)}
    networks = {way: start.cut(spec).network for way, spec in specs.items()}
    before = time.perf_counter() - began
    return {way: (networks[way], InputFormat.of(spec), before) for way, spec in specs.items()}


def _small(small: ModelSpec, num_classes: int, seed: int) -> dict[str, _Start]:
    """The small model with its weights and with random ones, each with a head that timm draws."""
    networks = small.build(), random_network(small, seed)
    for network in networks:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network.reset_classifier(num_classes)  # type: ignore[operator]
    return {way: (network, InputFormat.of(small), 0.0) for way, network in zip(WAYS[2:], networks, strict=True)}


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each task and way: top-1, seconds and the lead over `SMALL`, over seeds."""
    found = []
    for task in TASKS:
        by_way = {way: [row for row in rows if (row["task"], row["way"]) == (task, way)] for way in WAYS}
        for way, mine in by_way.items():
            if mine:
                leads = [a["top1"] - b["top1"] for a, b in zip(mine, by_way[SMALL], strict=True)]
                values = {"top1": [row["top1"] for row in mine], "seconds": [row["seconds"] for row in mine], "lead": leads}
                found.append(
                    {"task": task, "way": way, "seeds": len(mine), **{k: mean_with_interval(v) for k, v in values.items()}}
                )
    return found


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("task", "way", "seeds", "top-1", "seconds", "lead over the small one, fine-tuned")
    lines = [
        (row["task"], row["way"], row["seeds"], *(shown(row[key]) for key in ("top1", "seconds", "lead")))
        for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
