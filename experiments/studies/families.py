"""Compare families of small models of one trained seed: searched, cut by importance, scaled, multiplexed, trained from scratch.

`python -m experiments.studies.families --data torch/fashion_mnist:ROOT --out DIR`: a trained seed model of each family, and under
each budget on FLOPs one architecture of each way, trained equally long from each seed, with the seed model's stored logits and
from labels alone. By the time of a view in docs/studies/truth, a budget takes 6 minutes of one core for a search and two seeds,
after 4 minutes for the seed model. Expected, from docs/inheritance_results.md: inherited weights are far ahead of random ones,
and the ways to choose an architecture differ by less than their intervals. `--smoke` runs every step on the digits in seconds.
Interrupted, the same command continues; with more families, budgets or seeds it adds those.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.commands.open_start import calibrated_rule
from experiments.commands.search import search
from experiments.commands.teach import teach
from experiments.data.datasets import open_data
from experiments.logits.store import Store
from experiments.options.search import SearchOptions
from experiments.options.train import TeachOptions
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.runtime.processes import pick_device
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.records import variant_info
from experiments.scoring.start import INHERITED, InheritedStart
from experiments.search.latency import time_model
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import MINIS, scaled_arch, trained_seed
from experiments.studies.trainings import open_images
from models.inheritance.choice import choose
from models.networks.model_spec import ModelSpec, open_model_spec
from models.zoo.families import family as family_named
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.files import write_json
from scaler.results.intervals import mean_with_interval
from scaler.results.variant import read_info
from scaler.space.feasible_set import FeasibleSet
from search_spaces.problem import feasible_set
from search_spaces.spaces import SPACES

FAMILIES = ("tiny_vit", "deit", "swin")
BUDGETS = ("flops=30%..33%", "flops=15%..17%", "flops=45%..50%", "flops=22%..25%")  # of the seed's, those that matter most first
SEARCHED, IMPORTANCE, UNIFORM, MINI, SCRATCH = "searched", "importance", "uniform scaling", "multiplexed", "from scratch"
WAYS = (SEARCHED, IMPORTANCE, UNIFORM, SCRATCH, MINI)
RECIPE, MEASURED = "shrink", "measured.json"
KEYS = ("seed", "family", "budget", "distilled", "way")
# Each part of the method: the way with it and the way without it, and whether both are distilled.
PARTS = {
    "search, against uniform scaling": ((True, SEARCHED), (True, UNIFORM)),
    "search, against the most importance": ((True, SEARCHED), (True, IMPORTANCE)),
    "most importance, against uniform scaling": ((True, IMPORTANCE), (True, UNIFORM)),
    "inherited weights, against random ones": ((True, UNIFORM), (True, SCRATCH)),
    "stored logits, against labels alone": ((True, UNIFORM), (False, UNIFORM)),
    "multiplexing, against plain blocks": ((True, MINI), (True, UNIFORM)),
}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of images and epochs of the seed models and of the variants, and of trials of a search."""

    seeds_images: int = 12_000
    seeds_epochs: int = 5
    train_images: int = 800
    test_images: int = 2000
    epochs: int = 5
    trials: int = 5


_SMOKE = Sizes(seeds_images=60, seeds_epochs=1, train_images=60, test_images=60, epochs=1, trials=2)


def study(
    data: Annotated[str, typer.Option("--data")] = "digits",
    out: Annotated[Path, typer.Option("--out")] = Path("runs/families"),
    families: Annotated[str, typer.Option("--families")] = ",".join(FAMILIES),
    budgets: Annotated[int, typer.Option("--budgets", min=1, max=len(BUDGETS))] = len(BUDGETS),
    seeds: Annotated[int, typer.Option("--seeds", min=1)] = 3,
    smoke: Annotated[bool, typer.Option("--smoke", help="Tiny sizes, one budget and one seed of DeiT.")] = False,
) -> None:
    """Train everything, print the summary as JSON and write the results to ``out``/results.json, row by row."""
    sizes, named = (_SMOKE, ["deit"]) if smoke else (Sizes(), families.split(","))
    workshops = {name: Workshop(family=name, data=data, sizes=sizes, out=out / name) for name in named}
    settings = {"data": open_data(data).name, **asdict(sizes)}
    rows = _kept(out / "results.json", settings)
    grid = product(range(1 if smoke else seeds), named, BUDGETS[: 1 if smoke else budgets], (True, False), WAYS)
    for which in grid:
        if all(tuple(row[key] for key in KEYS) != which for row in rows):
            rows.append(workshops[which[1]].row(*which))
            write_results(out, "families", settings, rows, summary(rows))
    print_json(summary(rows))


def _kept(path: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an interrupted study of these ``settings``."""
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))
    if {key: found.get(key) for key in settings} != dict(settings):
        raise ScalerError(f"{path} holds a study of other sizes or images: give another --out")
    rows: list[dict[str, Any]] = found["rows"]
    return rows


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Everything that is made of the trained seed of one family, in the folder ``out``."""

    family: str
    data: str
    sizes: Sizes
    out: Path
    stored: set[int] = field(default_factory=set)  # seeds whose logits are complete

    def row(self, seed: int, family: str, budget: str, distilled: bool, way: str) -> dict[str, Any]:
        """Train the variant of one way, and return its row."""
        say(f"{family}, {budget}, {way}, {'stored logits' if distilled else 'labels'}, seed {seed}")
        variant = self.variant(budget, UNIFORM if way == SCRATCH else way)
        spec, note = open_model_spec(str(variant), keep_weights=way != SCRATCH), read_info(variant)
        assert note is not None
        backend = TrainingBackend(
            open_images(self.data, self.sizes.train_images, self.sizes.test_images, seed),
            RECIPE,
            replace(RECIPES[RECIPE], epochs=self.sizes.epochs),
            store=Store.open(self.logits(seed)) if distilled else None,
        )
        folder = variant.parent / "trained" / f"{way} {'logits' if distilled else 'labels'} {seed}"
        score = backend.score(spec, replace(note, start=""), folder, seed=seed, final=True)
        which = dict(zip(KEYS, (seed, family, budget, distilled, way), strict=True))
        cost = {"flops": note.flops, "params": note.params, "start": score.start, "seconds": round(score.seconds, 1)}
        timed = json.loads((variant / MEASURED).read_text("utf-8"))
        return {**which, "top1": round(score.metrics.top1, 2), "split": score.split, **cost, **timed, "arch": dict(note.arch)}

    @cached_property
    def seed(self) -> ModelSpec:
        """The trained seed model."""
        return trained_seed(self.family, open_data(self.data, train_images=self.sizes.seeds_images), self.out / "seed",
                            self.sizes.seeds_epochs)  # fmt: skip

    @cached_property
    def start(self) -> InheritedStart:
        """The seed model, ready to give weights as it gives them in a search."""
        images = open_data(self.data, train_images=self.sizes.train_images)
        return InheritedStart.of(self.seed, calibrated_rule(self.seed, 0), images)

    def logits(self, seed: int) -> Path:
        """Return the folder of the seed model's logits for the views of ``seed``."""
        folder = self.out / f"logits {seed}"
        if seed not in self.stored:
            teach(
                TeachOptions(
                    teacher=self.seed.name, data=self.data, train_images=self.sizes.train_images, epochs=self.sizes.epochs,
                    topk=5, seed=seed, out=folder, loader_workers=0,
                )
            )  # fmt: skip
            self.stored.add(seed)
        return folder

    def variant(self, budget: str, way: str) -> Path:
        """Return the folder of the architecture of ``way`` with its inherited weights and its measured latency."""
        folder = self.out / budget / way
        if not (folder / MEASURED).exists():
            spec = self.start.spec_of(way, self.arch(budget, way))
            note = replace(variant_info(spec, self.family, budget), start=INHERITED)
            spec.write(folder, note, self.start.cut(spec).network.state_dict())
            timed = time_model(open_model_spec(str(folder)))
            write_json(folder / MEASURED, {"latency_ms": timed["least_ms"], "device": pick_device().type})
        return folder

    def arch(self, budget: str, way: str) -> Architecture:
        """Choose the architecture of one way under a budget."""
        feasible = feasible_set(self.seed.name, budget)
        if way == IMPORTANCE:
            return choose(feasible, self.start.seed)[0]
        if way == MINI:
            mini = MINIS[self.family].with_task(num_classes=self.seed.num_classes)
            feasible = FeasibleSet(SPACES[mini.family](mini.family, mini, None), feasible.budget)
        found: Architecture = self._searched(budget) if way == SEARCHED else scaled_arch(feasible)
        return found

    def _searched(self, budget: str) -> Architecture:
        (chosen,) = search(
            SearchOptions(
                seed_model=self.seed.name, budget=(budget,), data=self.data, train_images=self.sizes.train_images,
                logits=self.logits(0), trials=self.sizes.trials, workers=1, threads=1, loader_workers=0,
                out=self.out / budget / "search",
            )
        )  # fmt: skip
        return family_named(chosen.record.family).from_dict(json.loads(chosen.record.arch))


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results of every way, and the gain of every part of the method."""
    return {"ways": _ways(rows), "parts": _parts(rows)}


def _ways(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each family, budget and way: cost, top-1 over seeds, and the lead over uniform scaling seed by seed."""
    found = []
    for family, budget, distilled, way in product(FAMILIES, BUDGETS, (True, False), WAYS):
        mine, other = (_by_seed(rows, (family, budget, distilled, name)) for name in (way, UNIFORM))
        if mine:
            own = next(row for row in rows if (row["family"], row["budget"], row["way"]) == (family, budget, way))
            leads = [mine[seed] - other[seed] for seed in mine.keys() & other.keys()]
            which = {"family": family, "budget": budget, "way": way, "distilled": distilled, "seeds": len(mine)}
            cost = {key: own[key] for key in ("flops", "params", "latency_ms", "device")}
            lead = mean_with_interval(leads) if leads else None
            found.append({**which, **cost, "top1": mean_with_interval(list(mine.values())), "lead": lead})
    return found


def _parts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each family and part: the gain in top-1, over the pairs of budget and seed that have both sides."""
    found = []
    for family, (part, sides) in product(FAMILIES, PARTS.items()):
        gains = [
            on[seed] - off[seed]
            for budget in BUDGETS
            for on, off in [[_by_seed(rows, (family, budget, *side)) for side in sides]]
            for seed in sorted(on.keys() & off.keys())
        ]
        if gains:
            found.append({"family": family, "part": part, "pairs": len(gains), "gain": mean_with_interval(gains)})
    return found


def _by_seed(rows: Sequence[Mapping[str, Any]], which: tuple[object, ...]) -> dict[int, float]:
    return {row["seed"]: row["top1"] for row in rows if tuple(row[key] for key in KEYS[1:]) == which}


def table(results: Mapping[str, Any]) -> str:
    """Return the results of every way as a table in Markdown."""
    columns = ("family", "budget", "way", "learned from", "kFLOPs", "kparams", "ms", "seeds", "top-1", "ahead of uniform scaling")
    lines = [
        (
            row["family"], f"`{row['budget']}`", row["way"], "stored logits" if row["distilled"] else "labels",
            f"{row['flops'] / 1e3:,.0f}", f"{row['params'] / 1e3:,.0f}", f"{row['latency_ms']:.1f}", row["seeds"],
            shown(row["top1"]), "" if row["way"] == UNIFORM or row["lead"] is None else shown(row["lead"]),
        )
        for row in results["summary"]["ways"]
    ]  # fmt: skip
    return markdown(columns, lines)


def parts_table(results: Mapping[str, Any]) -> str:
    """Return the gain of every part of the method as a table in Markdown."""
    lines = [(row["family"], row["part"], row["pairs"], shown(row["gain"])) for row in results["summary"]["parts"]]
    return markdown(("family", "part", "pairs of budget and seed", "gain in top-1"), lines)


if __name__ == "__main__":
    typer.run(study)
