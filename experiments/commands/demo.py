"""`scaler demo`: the main job on the 1,797 scans of handwritten digits that scikit-learn carries, in minutes on two cores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from experiments.commands.search import search
from experiments.commands.train import train
from experiments.data.datasets import open_data
from experiments.losses.teacher import Teacher
from experiments.options.search import DemoOptions, SearchOptions
from experiments.options.train import TrainOptions
from experiments.recipes import get_recipe
from experiments.report.frontier import write_frontier
from experiments.runtime.console import say
from experiments.runtime.shares import cores
from experiments.runtime.side_by_side import run_side_by_side
from experiments.scoring.backend import TrainingBackend
from experiments.search.run_folder import LEDGER
from models.networks.model_spec import model_spec_of, open_model_spec
from scaler.results.ledger import Ledger, Record
from scaler.units import format_duration
from search_spaces.compound_scaling import compound_scaling
from search_spaces.problem import spaces

SEED, DATA = "tiny_vit_1m_32", "digits"
BUDGETS = ("flops=800k..1M", "flops=1.6M..2M", "flops=3.2M..4M,params=60%")
TRIALS = 15


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The trained family by folder, the files of the frontier, and a yardstick's top-1 in percent."""

    trained: Mapping[Path, Record]
    files: Mapping[str, Path]
    logistic_regression: float


def demo(options: DemoOptions) -> DemoResult:
    """Train the seed, search under three budgets with it as the teacher, train the choices, and draw the frontier."""
    out = options.out
    if not out.exists():
        say(f"the whole takes about {format_duration(_seconds())} in one process, by updates measured now")
    say(f"1/4  the seed {SEED}, trained on {DATA}: it will teach the others")
    train(TrainOptions(variant=SEED, data=DATA, out=out / "seed"))
    say(f"2/4  the search: {TRIALS} candidates under {', '.join(BUDGETS)}")
    request = SearchOptions(
        seed_model=str(out / "seed"), budget=BUDGETS, data=DATA, out=out / "search", teacher=str(out / "seed"), trials=TRIALS
    )
    variants = [choice.folder for choice in search(request)]
    say("3/4  the chosen variants, trained in full by the seed")
    trained = _train_side_by_side(variants, out)
    say("4/4  the frontier")
    files = write_frontier([out / "search", out / "seed", *trained], out / "frontier")
    return DemoResult(trained=trained, files=files, logistic_regression=logistic_regression())


def _seconds() -> float:
    """Return the estimated time of all trainings, those under a budget measured on the seed scaled uniformly to it."""
    images, seed_model = open_data(DATA), open_model_spec(SEED)
    space, sets = spaces(SEED, BUDGETS, num_classes=images.num_classes)
    scaled = [model_spec_of(SEED, space.arch(compound_scaling(space, feasible))) for feasible in sets]
    alone = TrainingBackend(images, "small", get_recipe("small"))
    full, short = (TrainingBackend(images, name, get_recipe(name), Teacher.of(seed_model)) for name in ("small", "proxy"))
    trials = TRIALS * mean(short.estimate(spec, seed=0, final=False) for spec in scaled)
    choices = sum(full.estimate(spec, seed=0, final=True) for spec in scaled)
    return alone.estimate(seed_model, seed=0, final=True) + trials + choices


def _train_side_by_side(variants: Sequence[Path], out: Path) -> dict[Path, Record]:
    """Train ``variants``, each by a process of its own, and return their records by folder.

    With more than one core they share the cores: one after the other, the last would leave cores idle.
    """
    teacher, loaders = str(out / "seed"), None if cores() == 1 else 0
    threads = None if cores() == 1 else 1
    folders = [(str(variant), out / "trained" / variant.name) for variant in variants]
    jobs = [
        TrainOptions(variant=v, data=DATA, out=to, teacher=teacher, loader_workers=loaders, threads=threads) for v, to in folders
    ]
    run_side_by_side([["train", *job.words()] for job in jobs], at_once=1 if cores() == 1 else len(jobs))
    return {job.out: list(Ledger(job.out / LEDGER))[-1] for job in jobs}


def logistic_regression() -> float:
    """Return the top-1 in percent of scikit-learn's logistic regression on the pixels of the same split."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    data = open_data(DATA).for_final_training()
    (train, labels), (test, truth) = (
        (np.stack([np.asarray(images.image(i), float)[..., 0].ravel() / 255 for i in range(len(images))]), images.labels)
        for images in (data.train, data.test)
    )
    return float(100 * LogisticRegression(max_iter=1000).fit(train, labels).score(test, truth))
