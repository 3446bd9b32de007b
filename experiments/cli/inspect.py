"""Commands that only decide, and so answer at once: what there is, what it costs, what meets a budget."""

from typing import Annotated

import typer

from experiments.cli.options import Axes, Budget, Classes, Json, Resolution, Seed
from experiments.commands.listing import listing
from experiments.commands.space import describe_space
from experiments.commands.space import sample as draw
from experiments.runtime.console import print_json, print_table
from scaler.budget import ADDITIVE_COSTS, format_value
from scaler.units import format_quantity

app = typer.Typer()


@app.command("list")
def list_(what: Annotated[str, typer.Argument(metavar="[seeds|families|spaces|strategies|recipes|data]")] = "all") -> None:
    """What there is, one line each."""
    for title, rows in listing(what):
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
    from experiments.commands.count import count_model  # loads torch

    found = count_model(target, resolution, num_classes, parts)
    if as_json:
        return print_json(found)
    print(f"{found['flops']:,} FLOPs ({format_quantity(found['flops'], 5)}), {found['params']:,} parameters "
          f"({format_quantity(found['params'], 5)}) at {found['resolution']} px, {found['num_classes']} classes")  # fmt: skip
    if parts:
        rows = [(p["name"], p["times"], f"{p['flops']:,}", f"{p['params']:,}") for p in found["parts"]]
        print_table(("part", "times", "flops", "params"), rows, right=("times", "flops", "params"))
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

    A budget is KEY=VALUE[,KEY=VALUE]: keys are flops, params, latency and resolution; a value is an upper bound (1.3G, 12ms), a
    band (1.25G..1.3G), a share of the seed's (60%), or a model's name.
    """
    found = describe_space(seed, budget, axes, num_classes)
    if as_json:
        return print_json(found)
    print(f"{found['size']:,} architectures around {seed}; {found['feasible']:,} within {budget or 'any cost'}")
    bounds = found["bounds"]
    print_table(
        ("axis", "choices", "feasible, least to greatest"), [(k, v, bounds.get(k, "-")) for k, v in found["axes"].items()]
    )
    if bounds:
        print(", ".join(f"{cost} {_to(cost, bounds[cost])}" for cost in ADDITIVE_COSTS if cost in bounds))
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
    found = draw(seed, budget, n, axes, num_classes, draw_seed)
    if as_json:
        return print_json(found)
    names = [name for name in found[0]["arch"] if name not in ("num_classes", "in_chans")]
    rows = [(format_quantity(f["flops"]), format_quantity(f["params"]), *(f["arch"].get(k, "") for k in names)) for f in found]
    return print_table(("flops", "params", *names), rows, right=("flops", "params"))


def _to(cost: str, ends: list[int]) -> str:
    return " to ".join(format_value(cost, end) for end in ends)
