"""Measure the gain of a multiplexed student from its transformations and from its teacher's relations.

`python -m experiments.studies.weight_distillation --data torch/fashion_mnist:ROOT --out DIR`: for DeiT and Swin a plain teacher,
and students of half its blocks with and without transformations, trained by labels, by the teacher's answers, or by its relations
too, from three seeds. Interrupted, the same command continues.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer

from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES, Recipe
from experiments.runtime.console import print_json, say
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.files import write_json

# Of the small seeds, half as wide and at 24 pixels, so that fifty trainings take an hour on one core: 0.3 M and 0.5 M parameters.
TEACHERS = {"deit": "deit_1m_patch4_32", "swin": "swin_1m_patch2_32"}
_SMALLER: dict[str, dict[str, Any]] = {
    "deit": {"embed_dim": 64, "resolution": 24},
    "swin": {"embed_dim": 32, "num_heads": (2, 4, 8), "window_size": (3, 3, 3), "resolution": 24},
}
_SHARE: dict[str, Any] = {"deit": 2, "swin": (2, 2, 2)}
_SEEDS = (0, 1, 2)
# Source: the weights of Mini-Swin's published distillation (see `experiments.recipes`); the rest is our recipe for small images.
WAYS: dict[str, dict[str, Any]] = {
    "labels": {},
    "answers": {"distill": 1.0, "temperature": 1.0},
    "relations": {"distill": 1.0, "temperature": 1.0, "attention": 1.0, "hidden": 0.1},
}
# Student and way: what transformations give is seen by labels and by relations, what relations give by all three.
TRAININGS = (
    ("plain", "labels"), ("shared", "labels"), ("shared", "relations"),
    ("multiplexed", "labels"), ("multiplexed", "answers"), ("multiplexed", "relations"),
)  # fmt: skip


def students(family: str) -> dict[str, Any]:
    """The teacher's own architecture, sharing alone, and sharing with transformations."""
    seeds: tuple[Any, Any] = SEEDS[TEACHERS[family]], SEEDS[f"mini_{TEACHERS[family]}"]
    plain, multiplexed = (replace(seed, **_SMALLER[family]) for seed in seeds)
    return {"plain": plain, "shared": replace(plain, share=_SHARE[family]), "multiplexed": multiplexed}


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    train_images: Annotated[int, typer.Option("--train-images", help="Of the students.")] = 3000,
    teachers_images: Annotated[int, typer.Option("--teachers-images")] = 10_000,
    epochs: Annotated[int, typer.Option("--epochs")] = 8,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json."""
    images, more = (open_data(data, train_images=number) for number in (train_images, teachers_images))
    teachers = {family: _teacher(family, more, out / f"{family}-teacher", epochs) for family in TEACHERS}
    rows = [
        {"family": family, "student": name, "way": way, "seed": seed,
         **_scored(family, name, images, _recipe(way, epochs), teachers[family], out / f"{family}-{name}-{way}-{seed}", seed)}
        for seed, family, (name, way) in product(_SEEDS, TEACHERS, TRAININGS)
    ]  # fmt: skip
    found = {
        "data": images.name, "train_images": train_images, "teachers_images": teachers_images, "epochs": epochs,
        "summary": _summary(rows), "rows": rows,
    }  # fmt: skip
    write_json(out / "results.json", found)
    print_json(found)


def _teacher(family: str, images: ImageData, folder: Path, epochs: int) -> Teacher:
    _scored(family, "plain", images, _recipe("labels", epochs), None, folder, seed=100)
    return Teacher.of(open_model_spec(str(folder)))


def _recipe(way: str, epochs: int) -> Recipe:
    return replace(RECIPES["small"], epochs=epochs, **WAYS[way])


def _scored(
    family: str, name: str, images: ImageData, recipe: Recipe, teacher: Teacher | None, folder: Path, seed: int
) -> dict[str, Any]:
    spec = model_spec_of(name, replace(students(family)[name], num_classes=images.num_classes))
    backend = TrainingBackend(images, "small", recipe, teacher if recipe.distill == 1 else None)
    note = variant_info(spec, TEACHERS[family])
    score = backend.score(spec, note, folder, seed=seed, final=True)
    say(f"{folder.name}: {score.metrics.top1:.2f} % in {score.seconds:.0f} s")
    return {"top1": score.metrics.top1, "params": note.params}


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation of top-1 over the seeds, and the mean gain of each seed over labels alone."""
    found = []
    for family, (name, way) in product(TEACHERS, TRAININGS):
        tops, labels = (_tops(rows, family, name, w) for w in (way, "labels"))
        gain = mean(top - label for top, label in zip(tops, labels, strict=True))
        spread = {"deviation": round(stdev(tops), 2), "over_labels": round(gain, 2)}
        found.append({"family": family, "student": name, "way": way, "top1": round(mean(tops), 2), **spread})
    return found


def _tops(rows: list[dict[str, Any]], *which: str) -> list[float]:
    return [row["top1"] for row in rows if (row["family"], row["student"], row["way"]) == which]


if __name__ == "__main__":
    typer.run(study)
