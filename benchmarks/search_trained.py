"""The search against uniform scaling, random feasible draws, Optuna's TPE and contraction, at equal training compute.

Every strategy searches with every seed; a candidate's compute is its FLOPs times the images it was trained on. Under each budget
the candidate of the best held-out score among those trained within the compute that all strategies have spent is trained in full
and scored on the test images. Uniform scaling needs no search. What is finished is kept in ``runs/``; the same command continues.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Figures
from experiments.commands.teach import teach
from experiments.commands.train import train
from experiments.data.datasets import open_data
from experiments.logits.store import Store
from experiments.options.search import SearchOptions
from experiments.options.train import TeachOptions, TrainOptions
from experiments.recipes import get_recipe
from experiments.runtime.console import say
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.records import variant_info
from experiments.search import pipeline
from experiments.search.run_folder import LEDGER, TRIALS, SearchContext
from models.networks.model_spec import open_model_spec
from scaler.files import write_json
from scaler.results.intervals import mean_with_interval
from scaler.results.ledger import Ledger, Record
from scaler.space.feasible_set import FeasibleSet
from search_spaces.baselines import baselines
from search_spaces.problem import spaces

STRATEGIES = {"ours": "surrogate", "random": "uniform", "tpe": "tpe", "contraction": "contraction"}
_FORWARD_AND_BACKWARD = 3  # passes' worth of FLOPs in a training step


@dataclass(frozen=True, kw_only=True)
class Study:
    """The settings of the comparison: ``full_epochs`` train the chosen, ``proxy_epochs`` score a candidate."""

    data: str
    seed_model: str
    budgets: tuple[str, ...]
    train_images: int
    trials: int
    seeds: int
    teacher_epochs: int
    proxy_epochs: int
    full_epochs: int
    batch_size: int
    folder: Path


FULL = Study(
    data="torch/fashion_mnist:data", seed_model="tiny_vit_1m_32", train_images=10_000, trials=18, seeds=5,
    budgets=("flops=0.45M..0.5M", "flops=0.9M..1M", "flops=1.8M..2M"), teacher_epochs=12, proxy_epochs=2, full_epochs=6,
    batch_size=128, folder=Path("runs/search-study"),
)  # fmt: skip
QUICK = replace(
    FULL,
    data="digits",
    train_images=120,
    trials=5,
    seeds=1,
    budgets=("flops=1M",),
    teacher_epochs=1,
    proxy_epochs=1,
    full_epochs=1,
    batch_size=64,
)


def run(quick: bool) -> Figures:
    if not quick:
        return compare(FULL)
    with TemporaryDirectory() as folder:
        return compare(replace(QUICK, folder=Path(folder)))


def compare(study: Study) -> Figures:
    """Mean and 95 % interval over seeds of the test top-1, by budget and strategy, with the compute that each was given."""
    logits = _teach(study)
    _, sets = _spaces(study)
    tops: dict[str, dict[str, list[float]]] = {text: {} for text in study.budgets}
    spent: list[float] = []
    searches = [
        {name: _search(study, logits, strategy, seed) for name, strategy in STRATEGIES.items()} for seed in range(study.seeds)
    ]
    for seed, ledgers in enumerate(searches):
        compute = min(sum(_flops(row, study) for row in rows) for rows in ledgers.values())
        spent.append(compute)
        for feasible in sets:
            scores = tops[feasible.budget.text]
            for name, rows in ledgers.items():
                best = _best(_within(rows, compute, study), feasible)
                scores.setdefault(name, []).append(_final(study, logits, name, seed, best) if best else 0.0)
            scaled = next(row for row in ledgers["ours"] if row.trial == sets.index(feasible))
            scores.setdefault("uniform", []).append(_final(study, logits, "ours", seed, scaled))
    figures: dict[str, Any] = {text: _compared(scores) for text, scores in tops.items()}
    figures |= {"trials": study.trials, "seeds": study.seeds, "search_flops": mean(spent)}
    _keep(study, figures)
    return figures


def _teach(study: Study) -> Path:
    """The seed, trained on the same images, and its stored answers to every view of the longest training."""
    teacher, store = study.folder / "seed", study.folder / "logits"
    epochs = max(study.proxy_epochs, study.full_epochs)
    images: dict[str, Any] = {"data": study.data, "train_images": study.train_images}
    train(TrainOptions(variant=study.seed_model, out=teacher, epochs=study.teacher_epochs, **images))
    teach(TeachOptions(teacher=str(teacher), epochs=epochs, topk=5, out=store, **images))
    return store


def _spaces(study: Study) -> tuple[Any, list[FeasibleSet]]:
    return spaces(study.seed_model, study.budgets, num_classes=10)


def _search(study: Study, logits: Path, strategy: str, seed: int) -> list[Record]:
    """The trials of one search, in the order in which they finished."""
    say(f"{strategy}, seed {seed}")
    space, sets = _spaces(study)
    out = study.folder / f"{strategy}-{seed}"
    _take_baselines(study, seed, out)
    options = SearchOptions(
        seed_model=study.seed_model,
        budget=study.budgets,
        data=study.data,
        train_images=study.train_images,
        strategy=strategy,
        trials=study.trials,
        seed=seed,
        out=out,
    )
    backend = _backend(study, logits, study.proxy_epochs)
    resolved = {"axes": space.axes()}
    pipeline.run_search(SearchContext(options=options, resolved=resolved, space=space, sets=sets, backend=backend, say=say))
    return [row for row in Ledger(out / LEDGER) if row.role == "trial"]


def _take_baselines(study: Study, seed: int, out: Path) -> None:
    """Every search of a seed begins with the same candidates: trained once, their scores are found again."""
    first = study.folder / f"{STRATEGIES['ours']}-{seed}"
    for row in Ledger(first / LEDGER) if first != out else ():
        if row.role == "trial" and row.trial < len(baselines(*_spaces(study), seed)):
            shutil.copytree(first / TRIALS / row.name, out / TRIALS / row.name, dirs_exist_ok=True)


def _backend(study: Study, logits: Path, epochs: int) -> TrainingBackend:
    store = Store.open(logits)
    store.verify()
    images = open_data(study.data, train_images=study.train_images)
    return TrainingBackend(images, "proxy", replace(get_recipe("proxy"), epochs=epochs, batch_size=study.batch_size), store=store)


def _flops(row: Record, study: Study) -> float:
    return _FORWARD_AND_BACKWARD * row.flops * row.epochs * study.train_images


def _within(rows: Sequence[Record], compute: float, study: Study) -> list[Record]:
    """The first trials that together cost no more than ``compute``."""
    kept, left = [], compute
    for row in rows:
        left -= _flops(row, study)
        if left < 0:
            break
        kept.append(row)
    return kept


def _best(rows: Sequence[Record], feasible: FeasibleSet) -> Record | None:
    met = [row for row in rows if feasible.budget.admits(row.quantities)]
    return max(met, key=lambda row: (row.top1, -row.loss), default=None)


def _final(study: Study, logits: Path, name: str, seed: int, row: Record) -> float:
    """Test top-1 of a trial's architecture, trained in full."""
    run = study.folder / f"{STRATEGIES[name]}-{seed}"
    spec = open_model_spec(str(run / TRIALS / row.name))
    fresh = replace(spec.without_weights(), name=row.name)
    note = variant_info(fresh, study.seed_model, row.budget)
    backend = _backend(study, logits, study.full_epochs)
    folder = study.folder / "final" / f"{sha256(row.arch.encode()).hexdigest()[:12]}-{seed}"  # whoever chose it
    return backend.score(fresh, note, folder, seed=seed, final=True).metrics.top1


def _compared(scores: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Every strategy's mean, and by how much ours is ahead of the others, seed by seed; scores are in the order of seeds."""
    ahead = {
        f"ours_minus_{name}": [a - b for a, b in zip(scores["ours"], found, strict=True)]
        for name, found in scores.items() if name != "ours"
    }  # fmt: skip
    return {name: mean_with_interval(found) for name, found in (scores | ahead).items()}


def _keep(study: Study, figures: Figures) -> None:
    """The figures as JSON and as a drawing, beside the runs."""
    import matplotlib.pyplot as plt

    write_json(study.folder / "search.json", figures)
    drawing, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    names = ["ours", "uniform", "random", "tpe", "contraction"]
    for i, name in enumerate(names):
        found: list[dict[str, float]] = [json.loads(json.dumps(figures[text]))[name] for text in study.budgets]
        places = [j + 0.12 * (i - 2) for j in range(len(found))]
        ends = [[one["mean"] - one["low"] for one in found], [one["high"] - one["mean"] for one in found]]
        axes.errorbar(places, [one["mean"] for one in found], ends, fmt="o", capsize=3, label=name)
    axes.set_xticks(range(len(study.budgets)), study.budgets)
    axes.set_ylabel("test top-1, % (95 % over seeds)")
    axes.legend()
    drawing.savefig(study.folder / "search.svg")
    plt.close(drawing)
