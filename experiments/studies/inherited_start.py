"""Compare an inherited start with a random one, by accuracy after 1, 2, 4 and 8 epochs.

`python -m experiments.studies.inherited_start --data torch/fashion_mnist:ROOT --out DIR`: a trained seed of each family, its
uniform scaling to three parts of its FLOPs, and for each a training of every length from both starts, annealed to its own end.
Interrupted, the same command continues; with more families or seeds it adds those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.scoring.start import InheritedStart
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import part_of, random_network, scaled_arch, trained_seed
from experiments.studies.trainings import Trainings, open_images
from models.inheritance.rule import Rule
from scaler.results.intervals import mean_with_interval

FAMILIES = ("tiny_vit", "deit", "swin")
PARTS = {"1/2": 1 / 2, "1/3": 1 / 3, "1/6": 1 / 6}  # of the seed's FLOPs
STARTS = ("inherited", "random")
EPOCHS = (1, 2, 4, 8)
_RECIPE = replace(RECIPES["proxy"], warmup_epochs=0.25)


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    families: Annotated[str, typer.Option("--families")] = ",".join(FAMILIES),
    seeds: Annotated[int, typer.Option("--seeds")] = 3,
    train_images: Annotated[int, typer.Option("--train-images")] = 2000,
    seeds_images: Annotated[int, typer.Option("--seeds-images", help="Of the trained seeds.")] = 12_000,
    seeds_epochs: Annotated[int, typer.Option("--seeds-epochs")] = 5,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json, family by family and seed by seed."""
    sizes = {"train_images": train_images, "seeds_images": seeds_images, "seeds_epochs": seeds_epochs}
    print_json(compare(out, data, families.split(","), seeds, **sizes))


def compare(
    out: Path, data: str, families: Sequence[str], seeds: int, *, train_images: int, seeds_images: int, seeds_epochs: int
) -> list[dict[str, Any]]:
    """Return the `summary` of all trainings, done or found in ``out``."""
    images, more = open_images(data, train_images, test_images=2000), open_data(data, train_images=seeds_images)
    trainings = Trainings(folder=out / "trainings", data=images)
    settings = {"data": images.name, "train_images": train_images, "seeds_images": seeds_images, "seeds_epochs": seeds_epochs}
    rows: list[dict[str, Any]] = []
    for family in families:
        trained = trained_seed(family, more, out / "seeds" / family, seeds_epochs)
        start = InheritedStart.of(trained, Rule(), images)
        for seed in range(seeds):
            rows += curves(family, start, trainings, seed)
            write_results(out, "inherited_start", settings, rows, summary(rows))
    return summary(rows)


def curves(family: str, start: InheritedStart, trainings: Trainings, seed: int) -> list[dict[str, Any]]:
    """One row for every part of the FLOPs, start and length of training."""
    rows = []
    for part, epochs, way in product(PARTS, EPOCHS, STARTS):
        say(f"{family}, {part}, seed {seed}, {epochs} epochs, {way}")
        spec = start.spec_of(family, scaled_arch(part_of(family, start.seed.arch, PARTS[part])))
        network = start.cut(spec).network if way == "inherited" else random_network(spec, seed)
        outcome = trainings.run(way, network, InputFormat.of(spec), replace(_RECIPE, epochs=epochs), seed)
        rows.append({"family": family, "part": part, "seed": seed, "start": way, "epochs": epochs, "top1": outcome.top1})
    return rows


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each family, part and length: the mean and interval over seeds of both starts, and of the inherited one's lead."""
    found = []
    for family, part, epochs in product(FAMILIES, PARTS, EPOCHS):
        tops = {start: _by_seed(rows, family, part, epochs, start) for start in STARTS}
        if tops["random"]:
            lead = [inherited - other for inherited, other in zip(*tops.values(), strict=True)]
            intervals = {name: mean_with_interval(values) for name, values in (tops | {"lead": lead}).items()}
            found.append({"family": family, "part": part, "epochs": epochs, "seeds": len(lead), **intervals})
    return found


def _by_seed(rows: Sequence[Mapping[str, Any]], *which: object) -> list[float]:
    return [row["top1"] for row in rows if tuple(row[key] for key in ("family", "part", "epochs", "start")) == which]


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("family", "of its FLOPs", "epochs", "inherited", "random", "inherited ahead")
    lines = [
        (row["family"], row["part"], row["epochs"], *(shown(row[name]) for name in (*STARTS, "lead")))
        for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
