"""Commands around one variant: train it, store a teacher's answers for it, score it, import and export it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.options import Axes, Data, Images, Json, Logits, Out, Recipe, Resolution, Seed, Teacher
from experiments.recipes import get_recipe
from experiments.runtime.console import print_json
from scaler.units import format_quantity

app = typer.Typer()


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
    shard: Annotated[bool, typer.Option("--shard", help="Split the network among the processes launched (FSDP2).")] = False,
    save_every: Annotated[float, typer.Option("--save-every", min=0, help="Seconds between checkpoints in an epoch.")] = 600.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")] = False,
    as_json: Json = False,
) -> None:
    """Train a variant on all training images and score it on the test split. Interrupted, the same command continues."""
    get_recipe(recipe)
    from experiments.commands.train import train as run  # loads torch
    from experiments.runtime.processes import destroy_process_group
    from experiments.runtime.setup import Setup

    setup = Setup(
        precision=precision, compile=compiled, channels_last=channels_last, checkpoint_activations=few, accumulate=accumulate,
        save_every_s=save_every, tensorboard=tensorboard, shard=shard,
    )  # fmt: skip
    found = run(
        variant, data=data, out=out, teacher=teacher, logits=logits, recipe=recipe, epochs=epochs, batch_size=batch_size,
        drop_path=drop_path, resolution=resolution, train_images=train_images, seed=draw_seed, workers=workers, setup=setup,
    )  # fmt: skip
    destroy_process_group()
    return print_json(found) if as_json else print(_scored(found, out))


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
    from experiments.commands.teach import teach as run  # loads torch

    found = run(
        teacher, data=data, epochs=epochs, topk=topk, out=out, recipe=recipe, encoding=encoding, train_images=train_images,
        seed=draw_seed, processes=processes, workers=workers,
    )  # fmt: skip
    if as_json:
        return print_json(found)
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
    from experiments.commands.evaluate import evaluate as run  # loads torch

    found = run(variant, data=data, split=split, workers=workers)
    return print_json(found) if as_json else print(_scored(found, Path(variant)))


@app.command()
def latency(
    target: Annotated[str, typer.Argument(help="A seed, any timm model, or a variant's folder.")],
    resolution: Resolution = None,
    learn_latency_model: Annotated[
        bool, typer.Option("--learn", help="Learn what the networks around a seed take, for budgets.")
    ] = False,
    axes: Axes = None,
    as_json: Json = False,
) -> None:
    """The time that one image takes on this machine, measured, with its interval.

    With --learn, networks around a seed are measured, from which budgets such as latency=12ms predict all others.
    """
    from experiments.search.latency import learn_around, time_model  # loads torch
    from models.networks.model_spec import open_model_spec

    if learn_latency_model:
        found = learn_around(target, axes)
        text = f"{found['networks']} networks measured; predictions are off by {found['error']:.1%} in the median"
    else:
        found = time_model(open_model_spec(target, resolution=resolution))
        interval = f"{found['low_ms']:.2f} to {found['high_ms']:.2f}"
        text = f"{found['least_ms']:.2f} ms; median of {found['runs']} runs {found['median_ms']:.2f} ms ({interval})"
    return print_json(found) if as_json else print(f"{text}; {found['machine']}")


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
    from experiments.commands.import_checkpoint import import_checkpoint  # loads torch

    found = import_checkpoint(checkpoint, model, out, resolution, num_classes, class_map)
    if as_json:
        return print_json(found)
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
    from experiments.commands.export import export as write  # loads torch

    found = write(variant, kind, out)
    if as_json:
        return print_json(found)
    differences = ", ".join(f"{difference:.2g} at batch {batch}" for batch, difference in found["difference"].items())
    return print(f"{out}: {kind}, largest difference {differences}")


def _scored(found: dict[str, Any], folder: Path) -> str:
    scores = f"top-1 {found['top1']:.2f} %, top-5 {found['top5']:.2f} %, loss {found['loss']:.4f}"
    return f"{scores} on {found['images']} {found['split']} images, in {found['seconds']:.1f} s: {folder}"
