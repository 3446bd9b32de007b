"""Output of commands: results go to stdout, as a table or as one JSON document; messages go to stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def is_main_process() -> bool:
    """Return True in the process that prints and writes, of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    json.dump(data, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table on stdout, uncut unless stdout is a terminal.

    Args:
        right: names of the columns to align to the right.
    """
    from rich.console import Console  # a moment to load, which most commands do not have
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    console = Console(markup=False, emoji=False)  # paths may hold brackets and colons
    console.width = console.width if console.is_terminal else 200
    console.print(table)


def say(message: str) -> None:
    """Print a message on stderr."""
    print(message, file=sys.stderr, flush=True)
