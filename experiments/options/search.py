"""Options of the search, the frontier and the demo."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from experiments.options.common import (
    MAX_PROCESSES,
    MAX_TRIALS,
    RUNNING,
    SCORING,
    WHAT,
    DataOptions,
    DeterminismOptions,
    LoaderOptions,
    OutOptions,
    SeedOptions,
    TeacherOptions,
    ThreadOptions,
    recipes,
)
from experiments.options.declare import Options, argument, option
from scaler.trials.strategies import STRATEGIES

STORAGE_VARIABLE = "SCALER_STORAGE"
PRUNERS = ("none", "halving", "median")
STARTS = ("inherited", "random")
TRAINING_SCORE, ELASTIC_SCORE = "training", "elastic"
DEFAULT_TRIALS, MAX_HOURS, SEARCH_SHARE = 24, 10_000, 0.2


@dataclass(frozen=True, kw_only=True)
class SearchOptions(DeterminismOptions, ThreadOptions, LoaderOptions, TeacherOptions, SeedOptions, OutOptions, DataOptions):
    """Find the best variant of a seed model under each budget.

    Run again with the same --out, it continues. The same command with --as-worker joins a search that was started, on this
    machine or on another one that shares --storage and the folder --out.
    """

    EXAMPLE: ClassVar = "scaler search tiny_vit_1m_32 --budget flops=1M --data digits --out runs/search"

    budget: tuple[str, ...] = option(help="A budget such as flops=1.3G,params=60%; several make a family.", group=WHAT)
    strategy: str = option("surrogate", help="How candidates are proposed.", group=SCORING, choices=lambda: STRATEGIES)
    trials: int | None = option(
        None,
        help=f"Candidates to train, over all budgets: {DEFAULT_TRIALS}, or as many as --hours allows, by default.",
        group=SCORING,
        minimum=1,
        maximum=MAX_TRIALS,
        is_fixed=False,
    )
    hours: float | None = option(
        None,
        help="Hours that all trainings may take, finalists included; nothing starts that would not fit.",
        group=SCORING,
        minimum=0.001,
        maximum=MAX_HOURS,
        is_fixed=False,
    )
    recipe: str = option(
        "proxy", help="The short training that scores a candidate; proxy has 6 epochs.", group=SCORING, choices=recipes
    )
    start: str | None = option(
        None,
        help="Initial weights of candidates: cut out of the seed's, which is the default if it has some, or random ones.",
        group=SCORING,
        choices=lambda: STARTS,
    )
    score: str = option(
        TRAINING_SCORE,
        help="What scores a candidate: the held-out top-1 after its training, or as it is cut out of an elastic seed.",
        group=SCORING,
        choices=lambda: (TRAINING_SCORE, ELASTIC_SCORE),
    )
    pruner: str = option("none", help="Rule that stops trainings which lag behind.", group=SCORING, choices=lambda: PRUNERS)
    first_rung: int | None = option(
        None, help="Images seen when the pruner first looks; an epoch's by default.", group=SCORING, minimum=1, maximum=10**12
    )
    low_resolution: float = option(
        1.0, help="Fraction of its side at which a candidate's training begins.", group=SCORING, minimum=0.1, maximum=1.0
    )
    holdout_share: float | None = option(
        None,
        help=f"Fraction of the training images that scores candidates: {SEARCH_SHARE}, or that of stored logits, by default.",
        group=SCORING,
        minimum=0.02,
        maximum=0.5,
    )
    finalists: int | None = option(
        None,
        help="Candidates of each budget that are trained again: as many as the noise asks for, but one for 8 trials, by default.",
        group=SCORING,
        minimum=0,
        maximum=1000,
    )
    seeds: int = option(
        2,
        help="Other seeds from which each finalist is trained; fewer if --finalists is left out and the best is clear.",
        group=SCORING,
        minimum=1,
        maximum=1000,
    )
    final_recipe: str | None = option(
        None,
        help="Recipe of the finalists, --recipe by default; half of them then correct the scores of resolutions and sizes.",
        group=SCORING,
        choices=recipes,
    )
    workers: int | None = option(
        None,
        help="Processes that train candidates: one on each GPU, or as many as fill the cores, by default.",
        group=RUNNING,
        minimum=1,
        maximum=MAX_PROCESSES,
        is_recorded=False,
    )
    storage: str | None = option(
        None,
        help="URL of an Optuna storage; a file in --out by default. SCALER_STORAGE in the environment keeps it off the list of "
        "processes.",
        group=RUNNING,
        metavar="URL",
        variable=STORAGE_VARIABLE,
    )
    as_worker: bool = option(False, help="Join the search in --out and train its candidates.", group=RUNNING, is_recorded=False)

    @property
    def most_trials(self) -> int:
        """The number of candidates after which the search ends, if no time ends it before."""
        return self.trials or (DEFAULT_TRIALS if self.hours is None else MAX_TRIALS)


@dataclass(frozen=True, kw_only=True)
class FrontierOptions(Options):
    """Write the frontier of runs: one HTML report, CSV, a LaTeX table, and figures as PNG, SVG and PDF.

    Models in a search's folders trained/ and baselines/ belong to it. An unfinished search is shown as far as it is.
    """

    EXAMPLE: ClassVar = "scaler frontier runs/search runs/seed --out runs/frontier"

    runs: tuple[Path, ...] = argument(help="Folders of searches and of trained variants.", metavar="RUN...")
    out: Path | None = option(None, help="Folder for the results; RUN/frontier by default.", group=WHAT)


@dataclass(frozen=True, kw_only=True)
class WatchOptions(Options):
    """Show a running search: best so far, pace, time left, workers and failures.

    It reads the run's folder, from any terminal or machine that sees it, and changes nothing.
    """

    EXAMPLE: ClassVar = "scaler watch runs/search"

    run: Path = argument(help="Folder of a search.")
    every: float = option(2.0, help="Seconds between two looks.", group=RUNNING, minimum=0.1, maximum=3600, metavar="S")
    once: bool = option(False, help="Print one state and end.", group=RUNNING)
    storage: str | None = option(
        None, help="URL of the search's Optuna storage, with its password.", group=RUNNING, metavar="URL"
    )


@dataclass(frozen=True, kw_only=True)
class DemoOptions(Options):
    """Run the main job on embedded real images: a seed, three budgets, a search, the frontier, the choices trained."""

    EXAMPLE: ClassVar = "scaler demo --out runs/demo"

    out: Path = option(Path("runs/demo"), help="Folder for the results.", group=WHAT)
