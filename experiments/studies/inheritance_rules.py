"""Compare the rules by which a smaller network inherits its weights, by accuracy after equal short tunings.

`python -m experiments.studies.inheritance_rules --data torch/fashion_mnist:ROOT --out DIR`: a trained seed of each family, draws
from the exact sets of one half to one sixth of its FLOPs, and for each of them tunings that differ from the first in one choice.
Interrupted, the same command continues; with more shapes or seeds it adds those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.scoring.start import InheritedStart
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import random_network, smaller_arch, trained_seed
from experiments.studies.trainings import Trainings, open_images
from models.common.architecture import VisionTransformer
from models.inheritance.rule import Rule
from models.networks.model_spec import ModelSpec
from scaler.results.intervals import mean_with_interval

FAMILIES = ("tiny_vit", "deit")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of tuning a shape: changes of the base's rule, and of its learning rate; ``is_random`` starts from no seed."""

    rule: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    is_random: bool = False
    families: Sequence[str] = FAMILIES


BASE = "base"
ARMS = {
    BASE: Arm(),
    "channels: first": Arm(rule={"channels": "first"}),
    "channels: stride": Arm(rule={"channels": "stride"}),
    "channels: activation": Arm(rule={"channels": "activation"}),
    "channels: taylor": Arm(rule={"channels": "taylor"}),
    "depth: first": Arm(rule={"depth": "first"}),
    "depth: similarity": Arm(rule={"depth": "similarity"}),
    "std correction": Arm(rule={"std_correction": True}),
    "batch norms anew": Arm(rule={"batch_norm": True}, families=("tiny_vit",)),
    "windows: crop": Arm(rule={"windows": "crop"}, families=("tiny_vit",)),
    "windows: resize": Arm(rule={"windows": "resize"}, families=("tiny_vit",)),
    "half the rate": Arm(rate=0.5),
    "twice the rate": Arm(rate=2.0),
    "random start": Arm(is_random=True),
}
_RULE = Rule(channels="l2", depth="even", windows="auto", std_correction=False, batch_norm=False)
_RECIPE = replace(RECIPES["proxy"], epochs=2, lr=8e-3, warmup_epochs=0.25)


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    families: Annotated[str, typer.Option("--families")] = ",".join(FAMILIES),
    shapes: Annotated[int, typer.Option("--shapes", help="Of each family.")] = 12,
    seeds: Annotated[int, typer.Option("--seeds", help="Of the tuning.")] = 2,
    train_images: Annotated[int, typer.Option("--train-images", help="Of a tuning.")] = 2000,
    seeds_images: Annotated[int, typer.Option("--seeds-images", help="Of the trained seeds.")] = 12_000,
    seeds_epochs: Annotated[int, typer.Option("--seeds-epochs")] = 5,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json, after every shape."""
    images, named = open_images(data, train_images, test_images=2000), families.split(",")
    more = open_data(data, train_images=seeds_images)
    trained = {family: trained_seed(family, more, out / "seeds" / family, seeds_epochs) for family in named}
    trainings = Trainings(folder=out / "trainings", data=images)
    settings = {"data": images.name, "train_images": train_images, "seeds_images": seeds_images, "seeds_epochs": seeds_epochs}
    rows: list[dict[str, Any]] = []
    tunings = {family: _Tunings(family, spec, trainings) for family, spec in trained.items()}
    for seed, number, family in product(range(seeds), range(shapes), named):
        rows += tunings[family].rows(number, seed)
        write_results(out, "inheritance_rules", settings, rows, summary(rows))
    print_json(summary(rows))


class _Tunings:
    """The tunings of the shapes of one family, from its trained seed."""

    def __init__(self, family: str, trained: ModelSpec, trainings: Trainings) -> None:
        self.family, self.trainings = family, trainings
        rules = {arm: replace(_RULE, **choice.rule) for arm, choice in ARMS.items() if family in choice.families}
        self.starts = {arm: InheritedStart.of(trained, rule, trainings.data) for arm, rule in rules.items()}

    def rows(self, number: int, seed: int) -> list[dict[str, Any]]:
        """One row for each way of tuning shape ``number``."""
        say(f"{self.family}, shape {number}, seed {seed}")
        arch = smaller_arch(self.family, number)
        which: dict[str, Any] = {"family": self.family, "shape": number, "seed": seed}
        return [{**which, "arm": arm, "top1": self._top1(arm, arch, seed)} for arm in self.starts]

    def _top1(self, arm: str, arch: VisionTransformer, seed: int) -> float:
        spec = self.starts[arm].spec_of(self.family, arch)
        network = random_network(spec, seed) if ARMS[arm].is_random else self.starts[arm].cut(spec).network
        recipe = replace(_RECIPE, lr=_RECIPE.lr * ARMS[arm].rate)
        return self.trainings.run(arm, network, InputFormat.of(spec), recipe, seed).top1


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each family and arm, the mean top-1, and its lead over the base's: mean and interval over shapes, seeds averaged."""
    found = []
    for family, arm in product(FAMILIES, ARMS):
        tops, base = (_by_shape(rows, family, name) for name in (arm, BASE))
        if tops:
            leads = [tops[shape] - base[shape] for shape in tops]
            changed = sum(lead != 0 for lead in leads)
            found.append(
                {
                    "family": family, "arm": arm, "shapes": len(tops), "changed": changed,
                    "top1": mean(tops.values()), "lead": mean_with_interval(leads),
                }
            )  # fmt: skip
    return found


def _by_shape(rows: Sequence[Mapping[str, Any]], *which: str) -> dict[int, float]:
    mine = [row for row in rows if (row["family"], row["arm"]) == which]
    return {shape: mean(row["top1"] for row in mine if row["shape"] == shape) for shape in {row["shape"] for row in mine}}


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("family", "way", "shapes with another result", "top-1", "lead over the base")
    lines = [
        (row["family"], row["arm"], f"{row['changed']} of {row['shapes']}", f"{row['top1']:.1f}", shown(row["lead"]))
        for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
