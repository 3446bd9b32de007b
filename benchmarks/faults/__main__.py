"""`python -m benchmarks.faults --cases 5000 [--seed N] [--json]`: many cases, and the faults that they show."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.faults.run import Tally, check_kinds, examine
from benchmarks.faults.world import make_world
from experiments.runtime.console import print_json, say
from scaler.errors import ScalerError


def main(
    cases: Annotated[int, typer.Option(min=1, help="Cases, spread over all kinds.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    kind: Annotated[list[str] | None, typer.Option(help="Only cases of this kind; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run bad command lines and commands on damaged files; exit with status 1 if one shows a fault."""
    with TemporaryDirectory() as folder:
        try:
            world = make_world(Path(folder))
            names = check_kinds(world, kind)
        except ScalerError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(2) from error
        tallies = {}
        for name, number in names.items():
            begun = time.monotonic()
            tallies[name] = examine(world, name, max(round(cases * number), 1), seed)
            say(f"{name}: {tallies[name].summary}, {time.monotonic() - begun:.0f} s")
    _print(tallies, seed, as_json)
    raise typer.Exit(1 if any(tally.faults for tally in tallies.values()) else 0)


def _print(tallies: dict[str, Tally], seed: int, as_json: bool) -> None:
    total = {name: sum(getattr(tally, name) for tally in tallies.values()) for name in ("cases", "done", "refused", "slowest_s")}
    total["slowest_s"] = max(tally.slowest_s for tally in tallies.values())
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    if as_json:
        print_json({"seed": seed, **total, "kinds": {name: tally.cases for name, tally in tallies.items()}, "faults": faults})
    else:
        print(f"{total['cases']} cases: {total['done']} done, {total['refused']} refused, {len(faults)} faults")
        for fault in faults:
            print(fault)


if __name__ == "__main__":
    typer.run(main)
