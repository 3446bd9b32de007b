"""Print the results of commands for people, and turn them into JSON."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.options.inspect import CountOptions, DescribeOptions, ListOptions, SampleOptions
from experiments.options.search import DemoOptions, FrontierOptions, SearchOptions, WatchOptions
from experiments.options.train import (
    ElasticOptions,
    EvaluateOptions,
    ExportOptions,
    ImportOptions,
    LatencyOptions,
    PredictOptions,
    ShrinkOptions,
    TeachOptions,
    TrainOptions,
)
from experiments.runtime.console import print_table
from scaler.budget import ADDITIVE_COSTS, format_value
from scaler.units import format_quantity

Found = Mapping[str, Any]


def listing(found: Sequence[tuple[str, Sequence[tuple[str, str]]]], options: ListOptions) -> None:
    """Print each kind of name with its names."""
    for title, rows in found:
        print(title)
        for name, summary in rows:
            print(f"  {name:<30} {summary}")


def count(found: Found, options: CountOptions) -> None:
    """Print FLOPs and parameters, by part if asked."""
    flops, params = (f"{found[cost]:,} {unit} ({format_quantity(found[cost], 5)})" for cost, unit in _UNITS.items())
    print(f"{flops}, {params} at {found['resolution']} px, {found['num_classes']} classes")
    if options.parts:
        rows = [(part["name"], part["times"], f"{part['flops']:,}", f"{part['params']:,}") for part in found["parts"]]
        print_table(("part", "times", "flops", "params"), rows, right=("times", "flops", "params"))


_UNITS = {"flops": "FLOPs", "params": "parameters"}


def space(found: Found, options: DescribeOptions) -> None:
    """Print the size of the space and, for each budget, of its feasible set and the bounds of every axis."""
    print(f"{found['size']:,} architectures around {options.seed_model}", end="")
    for described in found.get("budgets", [found]):
        separator = "\n" if "budgets" in found else "; "
        print(f"{separator}{described['feasible']:,} within {described['budget'] or 'any cost'}")
        _print_bounds(found["axes"], described)


def _print_bounds(axes: Found, described: Found) -> None:
    bounds = described["bounds"]
    if not bounds:
        return print(described["nearest"])
    rows = [(axis, choices, bounds.get(axis, "-")) for axis, choices in axes.items()]
    print_table(("axis", "choices", "feasible, least to greatest"), rows)
    return print(", ".join(f"{cost} {_to(cost, bounds[cost])}" for cost in ADDITIVE_COSTS if cost in bounds))


def _to(cost: str, ends: Sequence[int]) -> str:
    return " to ".join(format_value(cost, end) for end in ends)


def sample(found: Sequence[Found], options: SampleOptions) -> None:
    """Print one architecture per line."""
    names = [name for name in found[0]["arch"] if name not in ("num_classes", "in_chans")]
    rows = [(*_costs(one), *(one["arch"].get(name, "") for name in names)) for one in found]
    print_table(("flops", "params", *names), rows, right=("flops", "params"))
    if options.out:
        print(
            f"written to {options.out}, one variant each; train one with: scaler train {options.out / 'sample-0000'} --data ..."
        )


def search(found: Sequence[Any], options: SearchOptions) -> None:
    """Print the chosen variant of each budget."""
    if options.as_worker:
        return
    rows = [(one.budget, *_costs(one.record.row()), f"{one.record.top1:.2f}", one.folder) for one in found]
    columns = ("budget", "flops", "params", "held-out top-1 %", "variant")
    print_table(columns, rows, right=("flops", "params", "held-out top-1 %"))
    print(f"report:   {options.out / 'frontier' / 'report.html'}")
    print(f"next:     {_train_line(found[0].folder, found[0].folder.name, options)}")
    print(f"baseline: {_train_line(found[0].baseline, f'baseline-{found[0].baseline.name}', options)}")


def _train_line(variant: Path, name: str, options: SearchOptions) -> str:
    """Return the command that trains ``variant`` in full, on the same images and from the same teacher."""
    train = TrainOptions(
        variant=str(variant),
        data=options.data,
        train_images=options.train_images,
        teacher=options.teacher,
        logits=options.logits,
        out=options.out / "trained" / name,
    )
    return shlex.join(["scaler", "train", *train.words()])


def search_json(found: Sequence[Any]) -> list[dict[str, Any]]:
    """Return one object per budget: the chosen trial's record, its folder, its baseline's and why it was chosen."""
    folders = [{"budget": one.budget, "folder": str(one.folder), "baseline": str(one.baseline)} for one in found]
    return [record_json(one.record) | named | {"why": one.why} for one, named in zip(found, folders, strict=True)]


def record_json(record: Any) -> dict[str, Any]:
    """Return a ledger's record as a flat object."""
    row: dict[str, Any] = record.row()
    return row


def frontier(found: Mapping[str, Path], options: FrontierOptions) -> None:
    """Print the files that were written."""
    print("\n".join(map(str, found.values())))


def frontier_json(found: Mapping[str, Path]) -> dict[str, str]:
    """Return the files by kind."""
    return {name: str(path) for name, path in found.items()}


def watch(found: Any, options: WatchOptions) -> None:
    """Show the state of a search until it ends."""
    from experiments.cli.watch_view import show  # loads Optuna and rich

    show(found, options)


def demo(found: Any, options: DemoOptions) -> None:
    """Print the trained family, a yardstick, and where everything is."""
    rows = [(record.budget, *_costs(record.row()), f"{record.top1:.2f}", folder) for folder, record in found.trained.items()]
    columns = ("budget", "flops", "params", "test top-1 %", "trained variant")
    print_table(columns, rows, right=("flops", "params", "test top-1 %"))
    print(f"Logistic regression on the same split: {found.logistic_regression:.2f} % top-1.")
    report, *others = found.files.values()
    print(f"\nOpen {report} in a browser. Beside it: {', '.join(path.name for path in others)}.")


def scores(found: Any, options: TrainOptions | EvaluateOptions) -> None:
    """Print a record's or an evaluation's scores."""
    scored = found if isinstance(found, Mapping) else record_json(found)
    folder = options.out if isinstance(options, TrainOptions) else options.variant
    text = f"top-1 {scored['top1']:.2f} %, top-5 {scored['top5']:.2f} %, loss {scored['loss']:.4f}"
    print(f"{text} on {scored['images']} {scored['split']} images, in {scored['seconds']:.1f} s: {folder}")


def shrunk(found: Found, options: ShrinkOptions) -> None:
    """Print the candidates, and the accuracy of the seed, of the cut and of the tuned network."""
    rows = [
        ("*" * (one["name"] == found["chosen"]), one["name"], *_costs(one), one["resolution"], f"{one['importance']:.3f}",
         *(_percent(one[key]) for key in ("after_cut", "tuned")))
        for one in found["candidates"]
    ]  # fmt: skip
    columns = ("", "candidate", "flops", "params", "px", "log kept", "cut %", "tuned %")
    print_table(columns, rows, right=columns[2:])
    if found["latency"]:
        print(f"latency: {found['latency']['least_ms']:.2f} ms measured, {found['latency']['predicted_ms']:.2f} ms predicted")
    print(f"weights: {found['inherited']} tensors, listed in {options.out / 'inheritance.csv'}")
    top1 = found["top1"]
    if top1["tuned"] is None:
        print(f"{options.out} is near chance until it is tuned: the weights are cut and not trained")
        print(f"next:   {_tune_line(options)}")
    else:
        seed = "" if top1["seed"] is None else f"seed {_percent(top1['seed'])} %, "
        cut, tuned = _percent(top1["after_cut"]), _percent(top1["tuned"])
        print(f"test top-1: {seed}right after the cut {cut} %, tuned {tuned} %: {options.out}")


def elastic(found: Found, options: ElasticOptions) -> None:
    """Print the accuracy of the seed, of the elastic seed at full size, and of some members as they are cut."""
    rows = [
        (*_costs(one), one["resolution"], f"{one['flops'] / found['seed']['flops']:.0%}", _percent(one["top1"]))
        for one in found["members"]
    ]
    print_table(columns := ("flops", "params", "px", "of the seed", "test top-1 %"), rows, right=columns)
    least = format_quantity(found["least_flops"])
    print(f"{found['size']:,} members of {least} FLOPs and more; test top-1 of the seed {_percent(found['seed']['top1'])} %")
    words = ("scaler", "search", str(options.out), "--score", "elastic", "--data", options.data, "--budget")
    print(f"next: {shlex.join(words)} ...")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _tune_line(options: ShrinkOptions) -> str:
    """Return the command that tunes a cut network on images."""
    words = ("scaler", "train", str(options.out), "--teacher", options.seed_model, "--recipe", options.recipe, "--out")
    return f"{shlex.join([*words, f'{options.out}-tuned'])} --data ..."


def predicted(found: Sequence[Found], options: PredictOptions) -> None:
    """Print a line for each image: its most probable classes."""
    rows = [(one["file"], "; ".join(f"{top['label']} {top['probability']:.1%}" for top in one["top"])) for one in found]
    print_table(("image", "classes"), rows)


def store(found: Found, options: TeachOptions) -> None:
    """Print the size of a store of logits."""
    views = found["epochs"] * sum(found["parts"])
    print(f"logits of {views:,} views, {found['bytes_per_view']:.1f} bytes each: {options.out}")


def latency(found: Found, options: LatencyOptions) -> None:
    """Print a measured latency, or how well latencies are predicted."""
    if options.learn:
        text = f"{found['networks']} networks measured; the median error of predictions is {found['error']:.1%}"
    else:
        interval = f"{found['low_ms']:.2f} to {found['high_ms']:.2f}"
        text = f"{found['least_ms']:.2f} ms; median of {found['runs']} runs {found['median_ms']:.2f} ms ({interval})"
    print(f"{text}; {found['machine']}")


def imported(found: Found, options: ImportOptions) -> None:
    """Print what a checkpoint held."""
    flops, params = _costs(found)
    print(f"{found['tensors']} tensors of {found['layout']} layout, {flops} FLOPs, {params} parameters: {options.out}")


def exported(found: Found, options: ExportOptions) -> None:
    """Print the largest difference between the file's outputs and the variant's."""
    differences = ", ".join(f"{difference:.2g} at batch {batch}" for batch, difference in found["difference"].items())
    print(f"{options.out}: {options.format}, largest difference {differences}")


def _costs(found: Found) -> tuple[str, str]:
    return format_quantity(found["flops"]), format_quantity(found["params"])
