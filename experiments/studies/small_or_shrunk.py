"""Compare what a user with few images can do: fine-tune a small model, shrink a large one, or train from scratch.

`python -m experiments.studies.small_or_shrunk --data torch/fashion_mnist:ROOT --out DIR`: a large seed and a hand-made small
model (the seed at half its width) are trained on the first five classes. Then 1,000 images of the other five, and the digits,
are learned in equally many updates by networks of the small one's FLOPs: two shrunk from the large one, the small one, and one
from scratch, each at two learning rates. Interrupted, the same command continues.
"""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
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
from models.networks.loading import with_new_head
from models.networks.model_spec import ModelSpec
from scaler.budget import Bound, Budget
from scaler.results.intervals import mean_with_interval
from scaler.space.feasible_set import FeasibleSet
from search_spaces.spaces import SPACES

FAMILY = "tiny_vit"
SMALL = "small, fine-tuned"
WAYS = ("shrunk, uniform scaling", "shrunk, most importance", SMALL, "small, from scratch")
RATES = (8e-3, 16e-3)  # for a batch of 512
TASKS = ("other five classes", "digits")
_HALF: dict[str, Any] = {"embed_dims": (16, 32, 64, 80), "num_heads": (1, 2, 4, 5)}
_RECIPE = replace(RECIPES["proxy"], epochs=8, warmup_epochs=0.5)


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
    """One row for each way of learning a task, and rate."""
    trainings, rows = Trainings(folder=folder, data=images), []
    networks = {**_shrunk(trained["large"], trained["small"], images), **_small(trained["small"], seed)}
    for way, rate in product(WAYS, RATES):
        network, input_format, before = networks[way]
        say(f"{task}, seed {seed}, {way}, rate {rate}")
        network = copy.deepcopy(network)
        _renew_head(network, images.num_classes, seed)
        outcome = trainings.run(way, network, input_format, replace(_RECIPE, lr=rate), seed)
        which = {"task": task, "way": way, "seed": seed, "rate": rate}
        rows.append({**which, "top1": outcome.top1, "seconds": round(outcome.seconds + before, 1)})
    return rows


def _shrunk(large: ModelSpec, small: ModelSpec, images: ImageData) -> dict[str, _Start]:
    """The large model shrunk to the FLOPs of the small one."""
    began, flops = time.perf_counter(), small.count().flops
    start = InheritedStart.of(large, calibrated_rule(0), images)
    space = SPACES[FAMILY](FAMILY, start.seed.arch, None)
    feasible = FeasibleSet(space, Budget((("flops", Bound(0.98 * flops, flops)),)))
    archs = scaled_arch(feasible), choose(feasible, start.seed)[0]
    specs = {way: start.spec_of(way, arch) for way, arch in zip(WAYS, archs, strict=False)}
    networks = {way: start.cut(spec).network for way, spec in specs.items()}
    before = (time.perf_counter() - began) / len(specs)
    return {way: (networks[way], InputFormat.of(spec), before) for way, spec in specs.items()}


def _small(small: ModelSpec, seed: int) -> dict[str, _Start]:
    own = InputFormat.of(small)
    return {SMALL: (small.build(), own, 0.0), WAYS[3]: (random_network(small, seed), own, 0.0)}


def _renew_head(network: nn.Module, num_classes: int, seed: int) -> None:
    """Give a network a new classifier, as the classes are others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.reset_classifier(num_classes)  # type: ignore[operator]
        network.load_state_dict(with_new_head(network, network.state_dict()))


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each task and way at its better rate: top-1, seconds and the lead over `SMALL`, over seeds."""
    found = []
    for task in TASKS:
        best = {way: _at_best_rate([row for row in rows if (row["task"], row["way"]) == (task, way)]) for way in WAYS}
        for way, mine in best.items():
            if mine:
                leads = [a["top1"] - b["top1"] for a, b in zip(mine, best[SMALL], strict=True)]
                values = {"top1": [row["top1"] for row in mine], "seconds": [row["seconds"] for row in mine], "lead": leads}
                which = {"task": task, "way": way, "rate": mine[0]["rate"], "seeds": len(mine)}
                found.append({**which, **{key: mean_with_interval(value) for key, value in values.items()}})
    return found


def _at_best_rate(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    by_rate = [[row for row in rows if row["rate"] == rate] for rate in RATES]
    return max((found for found in by_rate if found), key=lambda found: mean(row["top1"] for row in found), default=[])


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("task", "way", "rate", "top-1", "seconds", "lead over the small one, fine-tuned")
    lines = [
        (row["task"], row["way"], row["rate"], *(shown(row[key]) for key in ("top1", "seconds", "lead")))
        for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
