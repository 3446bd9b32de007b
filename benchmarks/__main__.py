"""`python -m benchmarks NAME [--quick] [--train] [--json]`: one comparison, as a table or as one JSON object."""

import json
import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer

from benchmarks.measure import Figures
from scaler.errors import ScalerError, UnknownNameError

NAMES = (
    *("cost", "feasible", "first_feasible", "optimum", "layerwise", "store", "step", "loop", "workers", "trials"),
    *("search", "propose", "shrink", "inherit", "ranking"),
)
app = typer.Typer(add_completion=False)


@app.command()
def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    quick: Annotated[bool, typer.Option(help="Fewer repeats: within a minute on 2 cores.")] = False,
    train: Annotated[
        bool, typer.Option("--train", help="search alone: trains networks, for hours, instead of simulating.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Run one side-by-side benchmark; docs/benchmarks.md says what each figure means."""
    try:
        if name not in NAMES:
            raise UnknownNameError("benchmark", name, NAMES)
        if train and name != "search":
            raise ScalerError(f"--train: {name} has no such mode; `python -m benchmarks search --train` has")
        figures: Figures = import_module(f"benchmarks.{name}{'_trained' * train}").run(quick)
    except ScalerError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    report = {"benchmark": name, "quick": quick, "versions": _versions(), "figures": figures}
    if as_json:
        print(json.dumps(report))
    else:
        _print(name, figures)


def _versions() -> dict[str, str]:
    packages = ("numpy", "torch", "timm", "fvcore", "optuna")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def _print(name: str, figures: Figures) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", title=name)
    for key, value in _flat(figures):
        table.add_row(key, _shown(value))
    Console().print(table)


def _flat(figures: Figures, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each figure under the names of the parts that it is in; a mean with its interval is one figure."""
    for key, value in figures.items():
        whole = f"{name} {key}".strip()
        if isinstance(value, dict) and "mean" not in value:
            yield from _flat(value, whole)
        else:
            yield whole, tuple(value.values()) if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    if isinstance(value, tuple):  # a value and its interval
        return f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


app()
