"""The command line. Each command reads its words, calls one function and prints what came back."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments import deciding
from experiments.console import emit, say, speaks, table
from experiments.recipes import get_recipe
from scaler.errors import ScalerError
from scaler.strategy import check_strategy
from scaler.units import format_quantity

app = typer.Typer(
    help="Families of vision transformers under compute budgets: shrink a seed, distil, plot the frontier, train the choice.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130
# typer carries a click of its own in later versions; this is its UsageError in any of them.
UsageError: Any = typer.BadParameter.__base__

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Budget = Annotated[str, typer.Option("--budget", help="Such as flops=1.3G,params=60%; see `scaler space --help`.")]
Budgets = Annotated[list[str], typer.Option("--budget", help="A budget; several make a family.")]
Axes = Annotated[Path | None, typer.Option("--axes", help="JSON file with axes that replace the space's own.")]
Classes = Annotated[int | None, typer.Option("--num-classes", min=1, help="Classes of the task.")]
Resolution = Annotated[int | None, typer.Option("--resolution", min=1, help="Side of the input in pixels.")]
Data = Annotated[str, typer.Option("--data", help="digits, folder:PATH, or a timm data set such as torch/fashion_mnist:ROOT.")]
Images = Annotated[int | None, typer.Option("--train-images", min=2, help="Use only so many training images.")]
Teacher = Annotated[str | None, typer.Option("--teacher", help="A trained variant's folder to distil from.")]
Logits = Annotated[Path | None, typer.Option("--logits", help="Stored logits of a teacher (`scaler teach`) to distil from.")]
Recipe = Annotated[str, typer.Option("--recipe", help="How to train.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of every random draw.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]


def run() -> int:
    """Run the command line; returns the exit status."""
    if not speaks():
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    try:
        status = app(standalone_mode=False)
        if status == _INTERRUPTED:  # typer turns an interrupt into its status
            return _interrupted()
        return status if isinstance(status, int) else 0
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "scaler"
        say(f"{command}: {error.format_message()} (`{command} --help` shows the form)")
        return 2
    except ScalerError as error:
        say(f"scaler: {error}")
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _interrupted() -> int:
    say("scaler: interrupted; what was finished is kept, and the same command continues")
    return _INTERRUPTED


@app.command("list")
def list_(what: Annotated[str, typer.Argument(metavar="[seeds|families|spaces|strategies|recipes|data]")] = "all") -> None:
    """What there is, one line each."""
    for title, rows in deciding.listing(what):
        print(title)
        for name, summary in rows:
            print(f"  {name:<28} {summary}")


@app.command()
def count(
    target: Annotated[str, typer.Argument(help="A seed, any timm model, or a variant's folder.")],
    resolution: Resolution = None,
    num_classes: Classes = None,
    parts: Annotated[bool, typer.Option("--parts", help="Break the cost down.")] = False,
    as_json: Json = False,
) -> None:
    """FLOPs and parameters of a model, by fvcore."""
    from experiments.counting import breakdown  # loads torch

    found = breakdown(target, resolution, num_classes, parts)
    if as_json:
        return emit(found)
    print(f"{found['flops']:,} FLOPs ({format_quantity(found['flops'], 5)}), {found['params']:,} parameters "
          f"({format_quantity(found['params'], 5)}) at {found['resolution']} px, {found['num_classes']} classes")  # fmt: skip
    if parts:
        rows = [(p["name"], p["times"], f"{p['flops']:,}", f"{p['params']:,}") for p in found["parts"]]
        table(("part", "times", "flops", "params"), rows, right=("times", "flops", "params"))
    return None


@app.command()
def space(
    seed: Annotated[str, typer.Argument(help="A seed's name or a variant's folder.")],
    budget: Annotated[str | None, typer.Option("--budget", help="Only architectures within this budget.")] = None,
    axes: Axes = None,
    num_classes: Classes = None,
    as_json: Json = False,
) -> None:
    """The axes around a seed, and exactly how many architectures meet a budget.

    A budget is KEY=VALUE[,KEY=VALUE]: keys are flops, params and resolution; a value is an upper bound (1.3G), a band
    (1.25G..1.3G), a share of the seed's (60%), or a model's name.
    """
    found = deciding.describe_space(seed, budget, axes, num_classes)
    if as_json:
        return emit(found)
    print(f"{found['size']:,} architectures around {seed}; {found['feasible']:,} within {budget or 'any cost'}")
    bounds = found["bounds"]
    table(("axis", "choices", "feasible, least to greatest"), [(k, v, bounds.get(k, "-")) for k, v in found["axes"].items()])
    if bounds:
        print(f"flops {_to(bounds['flops'])}, params {_to(bounds['params'])}")
    else:
        print(found["nearest"])
    return None


@app.command()
def sample(
    seed: Annotated[str, typer.Argument(help="A seed's name or a variant's folder.")],
    budget: Budget,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 1,
    axes: Axes = None,
    num_classes: Classes = None,
    draw_seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Architectures drawn uniformly from all that meet a budget."""
    found = deciding.sample(seed, budget, n, axes, num_classes, draw_seed)
    if as_json:
        return emit(found)
    names = [name for name in found[0]["arch"] if name not in ("num_classes", "in_chans")]
    rows = [(format_quantity(f["flops"]), format_quantity(f["params"]), *(f["arch"].get(k, "") for k in names)) for f in found]
    return table(("flops", "params", *names), rows, right=("flops", "params"))


def _to(ends: list[int]) -> str:
    return f"{format_quantity(ends[0])} to {format_quantity(ends[1])}"


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
    space, sets = deciding.search_space(seed, budget, axes, data)
    from experiments import commands  # loads torch, so only once the request is known to be feasible

    found = commands.search(
        seed=seed, budgets=tuple(budget), space=space, sets=sets, data=data, out=out, teacher=teacher, logits=logits,
        strategy=strategy, trials=trials, recipe=recipe, train_images=train_images, draw_seed=draw_seed, pruner=pruner,
        first_rung=first_rung, low_resolution=low_resolution,
        finalists=finalists, seeds=seeds, workers=workers, loader_workers=loader_workers, storage=storage, words=sys.argv[1:],
        as_worker=as_worker,
    )  # fmt: skip
    if as_worker:
        return None
    if as_json:
        return emit(found)
    rows = [
        (f["budget"], format_quantity(f["flops"]), format_quantity(f["params"]), f"{f['top1']:.2f}", f["folder"]) for f in found
    ]
    return table(
        ("budget", "flops", "params", "held-out top-1 %", "variant"), rows, right=("flops", "params", "held-out top-1 %")
    )


@app.command()
def train(
    variant: Annotated[str, typer.Argument(help="A variant's folder, a seed or a timm model.")],
    data: Data,
    out: Out,
    teacher: Teacher = None,
    logits: Logits = None,
    recipe: Recipe = "small",
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=2, help="Images of an update, in all processes.")] = None,
    drop_path: Annotated[float | None, typer.Option("--drop-path", min=0, max=0.9, help="Instead of the recipe's.")] = None,
    resolution: Resolution = None,
    train_images: Images = None,
    draw_seed: Seed = 0,
    workers: Annotated[int, typer.Option("--loader-workers", min=0, help="Processes that load images.")] = 0,
    precision: Annotated[str, typer.Option("--precision", help="fp32, bf16 or fp16.")] = "fp32",
    compiled: Annotated[bool, typer.Option("--compile", help="Have torch.compile make the network faster.")] = False,
    channels_last: Annotated[bool, typer.Option("--channels-last/--channels-first", help="Memory layout of maps.")] = True,
    few: Annotated[bool, typer.Option("--checkpoint-activations", help="Less memory, a third more time.")] = False,
    accumulate: Annotated[int, typer.Option("--accumulate", min=1, help="Parts that a batch is computed in.")] = 1,
    save_every: Annotated[float, typer.Option("--save-every", min=0, help="Seconds between checkpoints in an epoch.")] = 600.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")] = False,
    as_json: Json = False,
) -> None:
    """Train a variant on all training images and score it on the test split. Interrupted, the same command continues."""
    get_recipe(recipe)
    from experiments import commands
    from experiments.machine import Setup

    setup = Setup(
        precision=precision, compile=compiled, channels_last=channels_last, checkpoint_activations=few, accumulate=accumulate,
        save_every_s=save_every, tensorboard=tensorboard,
    )  # fmt: skip
    found = commands.train(
        variant, data=data, out=out, teacher=teacher, logits=logits, recipe=recipe, epochs=epochs, batch_size=batch_size,
        drop_path=drop_path, resolution=resolution, train_images=train_images, seed=draw_seed, workers=workers, setup=setup,
    )  # fmt: skip
    return emit(found) if as_json else print(_scored(found, out))


@app.command()
def teach(
    teacher: Annotated[str, typer.Argument(help="A trained variant's folder.")],
    data: Data,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="How many to store; students that train longer see them again.")],
    topk: Annotated[int, typer.Option("--topk", min=1, help="Classes to keep of each answer.")],
    out: Out,
    recipe: Annotated[str, typer.Option("--recipe", help="Augmentation and temperature of the students.")] = "small",
    encoding: Annotated[str, typer.Option("--encoding", help="compact, or fp16 at twice the size.")] = "compact",
    train_images: Images = None,
    draw_seed: Seed = 0,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes that teach, each with the teacher.")] = 1,
    workers: Annotated[int, typer.Option("--loader-workers", min=0, help="Processes that load images, for each of them.")] = 0,
    as_json: Json = False,
) -> None:
    """Store a teacher's answers to every augmented view of some epochs. Interrupted or damaged, the same command mends it."""
    get_recipe(recipe)
    from experiments import commands

    found = commands.teach(
        teacher, data=data, epochs=epochs, topk=topk, out=out, recipe=recipe, encoding=encoding, train_images=train_images,
        seed=draw_seed, processes=processes, workers=workers,
    )  # fmt: skip
    if as_json:
        return emit(found)
    views = found["epochs"] * sum(found["parts"])
    return print(f"{views:,} answers of {found['bytes_per_view']:.1f} bytes: {out}")


@app.command()
def evaluate(
    variant: Annotated[str, typer.Argument(help="A trained variant's folder.")],
    data: Data,
    split: Annotated[str, typer.Option("--split", help="test, holdout or train.")] = "test",
    workers: Annotated[int, typer.Option("--loader-workers", min=0, help="Processes that load images.")] = 0,
    as_json: Json = False,
) -> None:
    """Top-1, top-5, loss and images per second of a trained variant."""
    from experiments import commands

    found = commands.evaluate(variant, data=data, split=split, workers=workers)
    return emit(found) if as_json else print(_scored(found, Path(variant)))


@app.command("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="A .pth, .pt, .bin or .safetensors file.")],
    model: Annotated[str, typer.Option("--model", help="The seed or timm model that the file holds.")],
    out: Out,
    resolution: Annotated[int | None, typer.Option("--resolution", min=1, help="Resize position tables to this input.")] = None,
    num_classes: Annotated[int | None, typer.Option("--num-classes", min=1, help="Classes; another head becomes zeros.")] = None,
    class_map: Annotated[Path | None, typer.Option("--class-map", help="A line for each class: its row in the head.")] = None,
    as_json: Json = False,
) -> None:
    """A published checkpoint (TinyViT, Mini-DeiT, Mini-Swin, DeiT, Swin, or timm's) into a variant's folder."""
    from experiments.checkpoints import import_checkpoint  # loads torch

    found = import_checkpoint(checkpoint, model, out, resolution, num_classes, class_map)
    if as_json:
        return emit(found)
    size = f"{format_quantity(found['flops'])} FLOPs, {format_quantity(found['params'])} parameters"
    return print(f"{found['tensors']} tensors of {found['layout']} layout, {size}: {out}")


@app.command()
def export(
    variant: Annotated[str, typer.Argument(help="A trained variant's folder.")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    kind: Annotated[str, typer.Option("--format", help="onnx or torch-export.")] = "onnx",
    as_json: Json = False,
) -> None:
    """A deployable file with a free batch size, its outputs compared with the variant's at batch 1 and 8."""
    from experiments.export import export as write  # loads torch

    found = write(variant, kind, out)
    if as_json:
        return emit(found)
    differences = ", ".join(f"{difference:.2g} at batch {batch}" for batch, difference in found["difference"].items())
    return print(f"{out}: {kind}, largest difference {differences}")


@app.command()
def frontier(
    runs: Annotated[list[Path], typer.Argument(help="Folders of searches and of trained variants.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the results; RUN/frontier by default.")] = None,
    as_json: Json = False,
) -> None:
    """The accuracy-against-cost frontier of runs: CSV, PNG, SVG and one HTML report."""
    from experiments.frontier import frontier as draw

    found = {name: str(path) for name, path in draw(runs, out or runs[0] / "frontier").items()}
    return emit(found) if as_json else print("\n".join(found.values()))


@app.command()
def demo(out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("runs/demo")) -> None:
    """The main job on embedded real images: a seed, three budgets, a search, the frontier, the choices trained."""
    from experiments.demo import demo as run_demo

    run_demo(out, say)


def _scored(found: dict[str, Any], folder: Path) -> str:
    scores = f"top-1 {found['top1']:.2f} %, top-5 {found['top5']:.2f} %, loss {found['loss']:.4f}"
    return f"{scores} on {found['images']} {found['split']} images, in {found['seconds']:.1f} s: {folder}"
