"""The main job: a search, the frontier of what it found, and a demonstration of both."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Axes, Budgets, Data, Images, Json, Logits, Out, Seed, Teacher
from experiments.commands.space import search_space
from experiments.recipes import get_recipe
from experiments.runtime.console import print_json, print_table, say
from scaler.trials.strategy import check_strategy
from scaler.units import format_quantity

app = typer.Typer()


@app.command()
def search(
    seed: Annotated[str, typer.Argument(help="A seed's name or a variant's folder.")],
    budget: Budgets,
    data: Data,
    out: Out,
    teacher: Teacher = None,
    logits: Logits = None,
    strategy: Annotated[str, typer.Option("--strategy", help="How candidates are proposed.")] = "uniform",
    trials: Annotated[int, typer.Option("--trials", min=1, help="Candidates to train, over all budgets.")] = 24,
    recipe: Annotated[str, typer.Option("--recipe", help="The short training that scores a candidate.")] = "proxy",
    axes: Axes = None,
    train_images: Images = None,
    draw_seed: Seed = 0,
    pruner: Annotated[str, typer.Option("--pruner", help="none, halving or median: stops trainings that lag behind.")] = "none",
    first_rung: Annotated[
        int | None, typer.Option("--first-rung", min=1, help="Images seen when --pruner first looks; an epoch's by default.")
    ] = None,
    low_resolution: Annotated[
        float,
        typer.Option("--low-resolution", min=0.1, max=1.0, help="Share of its side at which a candidate's training begins."),
    ] = 1.0,
    finalists: Annotated[int, typer.Option("--finalists", min=0, help="So many of each budget are trained again.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="From so many other seeds.")] = 2,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that train candidates.")] = 1,
    loader_workers: Annotated[int, typer.Option("--loader-workers", min=0, help="Processes that load images, of each.")] = 0,
    storage: Annotated[str | None, typer.Option("--storage", help="Optuna storage; a file in --out by default.")] = None,
    as_worker: Annotated[bool, typer.Option("--as-worker", help="Join the search in --out and train its candidates.")] = False,
    as_json: Json = False,
) -> None:
    """Find the best variant under each budget. Run again with the same --out, it continues.

    The same command with --as-worker joins a search that was started, on this machine or on another one that shares --storage and
    the folder --out.
    """
    check_strategy(strategy)
    get_recipe(recipe)
    space, sets = search_space(seed, budget, axes, data)
    from experiments.commands.search import search as run  # loads torch, so only once the request is known to be feasible

    found = run(
        seed=seed, budgets=tuple(budget), space=space, sets=sets, data=data, out=out, teacher=teacher, logits=logits,
        strategy=strategy, trials=trials, recipe=recipe, train_images=train_images, draw_seed=draw_seed, pruner=pruner,
        first_rung=first_rung, low_resolution=low_resolution, finalists=finalists, seeds=seeds, workers=workers,
        loader_workers=loader_workers, storage=storage, words=sys.argv[1:], as_worker=as_worker,
    )  # fmt: skip
    if as_worker:
        return None
    if as_json:
        return print_json(found)
    rows = [
        (f["budget"], format_quantity(f["flops"]), format_quantity(f["params"]), f"{f['top1']:.2f}", f["folder"]) for f in found
    ]
    return print_table(
        ("budget", "flops", "params", "held-out top-1 %", "variant"), rows, right=("flops", "params", "held-out top-1 %")
    )


@app.command()
def frontier(
    runs: Annotated[list[Path], typer.Argument(help="Folders of searches and of trained variants.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the results; RUN/frontier by default.")] = None,
    as_json: Json = False,
) -> None:
    """The accuracy-against-cost frontier of runs: CSV, PNG, SVG and one HTML report."""
    from experiments.report.frontier import write_frontier as draw

    found = {name: str(path) for name, path in draw(runs, out or runs[0] / "frontier").items()}
    return print_json(found) if as_json else print("\n".join(found.values()))


@app.command()
def demo(out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("runs/demo")) -> None:
    """The main job on embedded real images: a seed, three budgets, a search, the frontier, the choices trained."""
    from experiments.commands.demo import demo as run_demo

    run_demo(out, say)
