"""What commands print: results to stdout, as a table or as one JSON document; messages to stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def is_main_process() -> bool:
    """Whether this is the process that talks and writes, of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    json.dump(data, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table on stdout; columns in ``right`` are aligned to the right. Nothing is cut off where stdout is not a terminal."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(str, row))
    console = Console()
    console.width = console.width if console.is_terminal else 200
    console.print(drawn)


def say(message: str) -> None:
    """A line for people, on stderr."""
    print(message, file=sys.stderr, flush=True)
