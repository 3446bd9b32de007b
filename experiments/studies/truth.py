"""Train networks of a space several times each, so that ways to rank them can be judged without training.

`python -m experiments.studies.truth --data torch/fashion_mnist:ROOT --out DIR`: a seed, its stored logits, networks within 1 % of
one budget and over the whole range of FLOPs, and six of them trained longer. Interrupted, the same command continues.
"""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from experiments.commands.teach import teach
from experiments.commands.train import train
from experiments.data.datasets import open_data
from experiments.logits.store import Store
from experiments.options.train import TeachOptions, TrainOptions
from experiments.ranking.nets import networks
from experiments.ranking.trainings import Key, Workshop, images_of, plan, to_train_longer
from experiments.ranking.truth import EQUAL, LONGER, Origin, Settings, TruthTable, machine
from experiments.runtime.console import print_json, say
from scaler.lock import only_process_in

_COMMAND = "python -m experiments.studies.truth"


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    train_images: Annotated[int, typer.Option("--train-images", help="Of the networks.")] = Settings.train_images,
    epochs: Annotated[int, typer.Option("--epochs", help="Of the networks.")] = Settings.epochs,
    nets: Annotated[int, typer.Option("--nets", help="In each group.")] = Settings.nets,
    repeats: Annotated[int, typer.Option("--repeats", help="Trainings of each network.")] = Settings.repeats,
) -> None:
    """Train everything; each finished training is a line of ``out``/trainings.jsonl."""
    name = open_data(data).name
    settings = Settings(data=name, train_images=train_images, epochs=epochs, nets=nets, repeats=repeats)
    build(settings, data, out)


def build(settings: Settings, data: str, out: Path) -> None:
    """Complete the table of ``settings`` in ``out``."""
    torch.set_num_threads(1)
    with only_process_in(out):
        table = TruthTable(out)
        table.begin(Origin(settings=settings, command=_COMMAND, versions=versions(), machine=machine()))
        shop = open_workshop(settings, data, out)
        _train(table, shop, list(plan(settings)))
        _train(table, shop, to_train_longer(settings, table.trainings()))
    print_json({"trainings": len(table.trainings()), "folder": str(out)})


def open_workshop(settings: Settings, data: str, out: Path) -> Workshop:
    """Return what the trainings share, with the seed and its logits, which are made if they are missing."""
    seed, logits = out / "seed", out / "logits"
    images: dict[str, Any] = {"data": data, "train_images": settings.seed_images}
    train(TrainOptions(variant=settings.seed_model, out=seed, epochs=settings.seed_epochs, recipe=settings.recipe, **images))
    stored: dict[str, Any] = {"epochs": settings.epochs * settings.longer, "topk": settings.topk, "recipe": settings.recipe}
    teach(TeachOptions(teacher=str(seed), data=data, train_images=settings.train_images, out=logits, **stored))
    store = Store.open(logits)
    store.verify()
    return Workshop(settings=settings, data=images_of(settings, data), store=store, folder=out / "unfinished")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a training's result."""
    return {"python": platform.python_version(), **{package: version(package) for package in ("torch", "timm", "numpy")}}


def _train(table: TruthTable, shop: Workshop, keys: list[Key]) -> None:
    """Run the trainings of ``keys`` that the table lacks."""
    archs = networks(shop.settings, shop.data.num_classes)
    done = {training.key for training in table.trainings()}
    missing = [key for key in keys if key not in done]
    for number, (group, net, repeat) in enumerate(missing, 1):
        training = shop.train((group, net, repeat), archs[EQUAL if group == LONGER else group][net])
        table.add(training)
        say(f"{number}/{len(missing)} {group}-{net}-{repeat}: {training.test_top1:.2f} % in {training.seconds:.0f} s")


if __name__ == "__main__":
    typer.run(study)
