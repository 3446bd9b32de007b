"""Does a student learn as much from stored logits as from its teacher online, and more than from labels alone?

`python -m experiments.studies.stored_logits --data torch/fashion_mnist:ROOT --out DIR`: a teacher, its stores, and students of
three sizes and resolutions, each trained in four ways from three seeds. Interrupted, the same command continues.
"""

from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer

from experiments.commands.teach import teach
from experiments.commands.train import train
from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.logits.store import Store
from experiments.losses.teacher import Teacher
from experiments.options.train import TeachOptions, TrainOptions
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of, open_model_spec
from models.tiny_vit.arch import TinyViTArch
from scaler.files import write_json

TEACHER = "tiny_vit_1m_32"
_ALIKE: dict[str, Any] = {"depths": (1, 1, 2, 1), "window_sizes": (4, 4, 2, 1), "num_classes": 10}
STUDENTS = {
    "small": TinyViTArch(embed_dims=(16, 32, 48, 64), num_heads=(1, 2, 3, 4), resolution=24, **_ALIKE),
    "medium": TinyViTArch(embed_dims=(16, 32, 64, 96), num_heads=(1, 2, 4, 6), resolution=28, **_ALIKE),
    "large": TinyViTArch(embed_dims=(32, 48, 80, 112), num_heads=(2, 3, 5, 7), resolution=32, **_ALIKE),
}
WAYS = ("cross-entropy", "online", "stored", "stored fp16")
_TOPK, _SEEDS = 3, (0, 1, 2)


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    train_images: Annotated[int, typer.Option("--train-images", help="Of the students.")] = 3000,
    teachers_images: Annotated[int, typer.Option("--teachers-images")] = 10_000,
    epochs: Annotated[int, typer.Option("--epochs")] = 6,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json."""
    teacher = train(TrainOptions(variant=TEACHER, data=data, out=out / "teacher", epochs=epochs, train_images=teachers_images))
    stores = {encoding: _store(out, encoding, data, epochs, train_images) for encoding in ("compact", "fp16")}
    images = open_data(data, train_images=train_images)
    backends = _backends(images, epochs, Teacher.of(open_model_spec(str(out / "teacher"))), stores)
    rows = [
        {"student": name, "way": way, "seed": seed, "top1": _top1(name, backends[way], out / f"{name}-{way}-{seed}", seed)}
        for seed in _SEEDS for name in STUDENTS for way in WAYS
    ]  # fmt: skip
    found = {
        "data": images.name, "train_images": train_images, "teachers_images": teachers_images, "epochs": epochs, "topk": _TOPK,
        "teacher_top1": teacher.top1, "bytes_per_view": {name: store.bytes_per_view for name, store in stores.items()},
        "summary": _summary(rows), "rows": rows,
    }  # fmt: skip
    write_json(out / "results.json", found)
    print_json(found)


def _store(out: Path, encoding: str, data: str, epochs: int, train_images: int) -> Store:
    folder = out / f"logits-{encoding}"
    teacher = str(out / "teacher")
    common: dict[str, Any] = {"data": data, "train_images": train_images, "out": folder}
    teach(TeachOptions(teacher=teacher, epochs=epochs, topk=_TOPK, encoding=encoding, **common))
    return Store.open(folder)


def _backends(images: ImageData, epochs: int, teacher: Teacher, stores: dict[str, Store]) -> dict[str, TrainingBackend]:
    recipe = replace(RECIPES["small"], epochs=epochs)
    return {
        "cross-entropy": TrainingBackend(images, "small", recipe),
        "online": TrainingBackend(images, "small", recipe, teacher),
        "stored": TrainingBackend(images, "small", recipe, store=stores["compact"]),
        "stored fp16": TrainingBackend(images, "small", recipe, store=stores["fp16"]),
    }


def _top1(name: str, backend: TrainingBackend, folder: Path, seed: int) -> float:
    spec = model_spec_of(name, STUDENTS[name])
    score = backend.score(spec, variant_info(spec, TEACHER), folder, seed=seed, final=True)
    say(f"{folder.name}: {score.metrics.top1:.2f} % in {score.seconds:.0f} s")
    return score.metrics.top1


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over the seeds, of each student in each way, and of each seed's difference to ``stored``."""
    found = []
    for name in STUDENTS:
        scores = {way: [row["top1"] for row in rows if (row["student"], row["way"]) == (name, way)] for way in WAYS}
        for way, tops in scores.items():
            gains = [stored - top for stored, top in zip(scores["stored"], tops, strict=True)]
            found.append(
                {
                    "student": name, "way": way, "top1": round(mean(tops), 2), "deviation": round(stdev(tops), 2),
                    "stored_minus_it": round(mean(gains), 2),
                }
            )  # fmt: skip
    return found


if __name__ == "__main__":
    typer.run(study)
