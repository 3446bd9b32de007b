"""Compare members of elastic seeds, as they are cut, with the same networks trained alone.

`python -m experiments.studies.elastic --data torch/fashion_mnist:ROOT --out DIR`: a trained seed, an elastic seed made of it and
one from random weights by equally many updates, and members of at least half of the seed's FLOPs, each also trained alone from
weights inherited from the seed. Interrupted, the same command continues; with more members it adds those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import kendalltau

from experiments.commands.open_start import calibrated_rule
from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES, Recipe
from experiments.runtime.console import print_json, say
from experiments.scoring.backend import TrainingBackend, evaluate_spec
from experiments.scoring.elastic import ElasticTraining, MemberBackend, sorted_start
from experiments.scoring.records import variant_info
from experiments.scoring.start import InheritedStart
from experiments.studies.results import markdown, write_results
from experiments.studies.small_seeds import trained_seed
from experiments.studies.trainings import open_images
from models.inheritance.members import member_rule
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.results.score import Score
from search_spaces.elastic import MemberPlan, coarse_space
from search_spaces.spaces import SPACES

FAMILY, RECIPE = "tiny_vit", "shrink"
STARTS = ("trained", "random")  # of the elastic seeds
_LEAST = 0.5


@dataclass(frozen=True, kw_only=True)
class Study:
    """The inputs that all trainings share.

    Attributes:
        seed: the trained seed.
        start: gives its weights to networks that are trained alone.
        recipe: of all trainings but the seed's.
    """

    folder: Path
    images: ImageData
    seed: ModelSpec
    start: InheritedStart
    recipe: Recipe
    plan: MemberPlan

    @classmethod
    def of(cls, folder: Path, images: ImageData, seed: ModelSpec, epochs: int) -> "Study":
        """Return a study whose trainings have ``epochs`` epochs."""
        start = InheritedStart.of(seed, calibrated_rule(seed, images.seed), images)
        arch = start.seed.arch
        return cls(
            folder=folder,
            images=images,
            seed=seed,
            start=start,
            recipe=replace(RECIPES[RECIPE], epochs=epochs),
            plan=MemberPlan(coarse_space(SPACES[FAMILY](FAMILY, arch, None)), _LEAST),
        )

    def members(self, number: int) -> list[Any]:
        """Return ``number`` distinct members, drawn as in the second half of a training; a larger number begins with the same."""
        drawn = (arch for step in range(1, 20 * number) for arch in self.plan.draw(step, steps=1))
        return list(dict.fromkeys(drawn))[:number]

    def elastic(self, start: str) -> tuple[MemberBackend, Score]:
        """Return the cuts of an elastic seed, which is trained if it is missing, and its training's score."""
        sorted_seed = sorted_start(self.start) if start == "trained" else None
        teacher, folder = Teacher.of(self.seed), self.folder / f"elastic-{start}"
        backend = ElasticTraining(self.plan, self.images, RECIPE, self.recipe, teacher, start=sorted_seed)
        spec = replace(self.seed.without_weights(), name=folder.name)
        score = backend.score(spec, variant_info(spec, FAMILY), folder, seed=0, final=False)
        weights = InheritedStart.of(open_model_spec(str(folder)), member_rule(), self.images)
        return MemberBackend(self.images, weights), score

    def alone(self, number: int, arch: Any) -> tuple[float, float]:
        """Return the test top-1 of member ``number`` trained alone, and the seconds of its training."""
        backend = TrainingBackend(self.images, RECIPE, self.recipe, Teacher.of(self.seed), start=self.start)
        spec, folder = self.start.spec_of(f"alone-{number:02d}", arch), self.folder / f"alone-{number:02d}"
        score = backend.score(spec, variant_info(spec, FAMILY), folder, seed=0, final=False)
        found = evaluate_spec(open_model_spec(str(folder)), self.images.test, backend.device)
        return found.metrics.top1, score.seconds


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    members: Annotated[int, typer.Option("--members", help="Trained alone.")] = 60,
    starts: Annotated[str, typer.Option("--starts", help="Of the elastic seeds.")] = ",".join(STARTS),
    train_images: Annotated[int, typer.Option("--train-images", help="A tenth is held out.")] = 12_000,
    epochs: Annotated[int, typer.Option("--epochs", help="Of all trainings but the seed's.")] = 4,
    seeds_images: Annotated[int, typer.Option("--seeds-images", help="Of the trained seed.")] = 12_000,
    seeds_epochs: Annotated[int, typer.Option("--seeds-epochs")] = 5,
    test_images: Annotated[int, typer.Option("--test-images")] = 10_000,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json, member by member."""
    torch.set_num_threads(1)
    images, more = open_images(data, train_images, test_images), open_data(data, train_images=seeds_images)
    shared = Study.of(out, images, trained_seed(FAMILY, more, out / "seed", seeds_epochs), epochs)
    elastic = {start: shared.elastic(start) for start in starts.split(",")}
    views = seeds_epochs * len(more.for_final_training().train)
    settings = {
        "data": images.name, "train_images": train_images, "epochs": epochs, "seeds_images": seeds_images,
        "seeds_epochs": seeds_epochs, "test_images": len(images.test), "members_in_all": len(shared.plan),
        "elastic": _elastic_rows(shared, elastic, views),
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    for number, arch in enumerate(shared.members(members)):
        rows.append(_row(shared, elastic, number, arch))
        write_results(out, "elastic", settings, rows, summary(rows))
        say(f"{number + 1} of {members}: {rows[-1]['share']:.0%} of the FLOPs, alone {rows[-1]['alone']:.2f} %")
    print_json(summary(rows))


def _elastic_rows(shared: Study, elastic: Mapping[str, tuple[MemberBackend, Score]], views: int) -> list[dict[str, Any]]:
    """Return for each elastic seed its cost in trainings of the seed, and the test top-1 of its full size and of the seed."""
    test, device = shared.images.test, next(iter(elastic.values()))[0].device
    of_seed = evaluate_spec(shared.seed, test, device).metrics.top1
    seed_flops = shared.seed.count().flops * views  # of the images that the seed was trained on
    return [
        {
            "start": start,
            "cost": score.train_flops / seed_flops,
            "seconds": round(score.seconds, 1),
            "full": evaluate_spec(open_model_spec(str(shared.folder / f"elastic-{start}")), test, device).metrics.top1,
            "seed": of_seed,
        }
        for start, (_, score) in elastic.items()
    ]


def _row(shared: Study, elastic: Mapping[str, tuple[MemberBackend, Score]], number: int, arch: Any) -> dict[str, Any]:
    """Return a member's architecture, its test top-1 trained alone and cut, and the held-out metrics of its cuts."""
    alone, seconds = shared.alone(number, arch)
    found: dict[str, Any] = {}
    for start, (cuts, _) in elastic.items():
        spec = cuts.start.spec_of("member", arch)
        top1, held_out = (cuts.evaluate(spec, final=final).metrics for final in (True, False))
        found[start] = {"top1": top1.top1, "holdout": asdict(held_out)}
    cost = shared.plan.space.cost(arch)
    share = cost.flops / shared.plan.space.cost(shared.plan.space.seed).flops
    which = {"member": number, "arch": arch.to_dict(), "share": share, "params": cost.params, "resolution": arch.resolution}
    return {**which, "alone": alone, "seconds": round(seconds, 1), "cut": found}


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each start the differences of cut members from the same networks trained alone, and the agreement of orders."""
    return [_of_start(start, rows) for start in STARTS if all(start in row["cut"] for row in rows)]


def _of_start(start: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    leads = {row["member"]: row["cut"][start]["top1"] - row["alone"] for row in rows}
    worst = min(leads, key=lambda member: leads[member])
    parts = {
        "below 3/4 of the FLOPs": [leads[row["member"]] for row in rows if row["share"] < 0.75],
        "from 3/4 of the FLOPs": [leads[row["member"]] for row in rows if row["share"] >= 0.75],
        **{f"{side} px": [leads[row["member"]] for row in rows if row["resolution"] == side] for side in _sides(rows)},
    }
    return {
        "start": start,
        "members": len(rows),
        "median": median(leads.values()),
        "worst": leads[worst],
        "worst_member": worst,
        "within_half": mean(abs(lead) <= 0.5 for lead in leads.values()),
        "within_one": mean(abs(lead) <= 1.0 for lead in leads.values()),
        "parts": {name: median(values) for name, values in parts.items() if values},
        "tau_loss": _tau(rows, [-row["cut"][start]["holdout"]["loss"] for row in rows]),
        "tau_top1": _tau(rows, [row["cut"][start]["holdout"]["top1"] for row in rows]),
    }


def _sides(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    return sorted({row["resolution"] for row in rows})


def _tau(rows: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> float | None:
    """Return Kendall's tau of ``scores`` with the top-1 of the networks trained alone; None where it is not defined."""
    tau = kendalltau(scores, [row["alone"] for row in rows]).statistic if len(rows) > 1 else np.nan
    return None if np.isnan(tau) else float(tau)


def table(results: Mapping[str, Any]) -> str:
    """Return the results as a table in Markdown."""
    costs = {row["start"]: row for row in results["elastic"]}
    ahead = {start: f"{row['full'] - row['seed']:+.2f}" for start, row in costs.items()}
    columns = (
        "start",
        "cost",
        "full size minus seed",
        "median",
        "worst",
        "within 0.5",
        "within 1.0",
        "tau of loss",
        "tau of top-1",
    )
    lines = [
        (
            row["start"], f"{costs[row['start']]['cost']:.2f}", ahead[row["start"]],
            f"{row['median']:+.2f}", f"{row['worst']:+.2f}", f"{row['within_half']:.0%}", f"{row['within_one']:.0%}",
            _shown(row["tau_loss"]), _shown(row["tau_top1"]),
        )
        for row in results["summary"]
    ]  # fmt: skip
    parts = [(row["start"], part, f"{lead:+.2f}") for row in results["summary"] for part, lead in row["parts"].items()]
    return f"{markdown(columns, lines)}\n\n{markdown(('start', 'members', 'median'), parts)}"


def _shown(tau: float | None) -> str:
    return "" if tau is None else f"{tau:.2f}"


if __name__ == "__main__":
    typer.run(study)
