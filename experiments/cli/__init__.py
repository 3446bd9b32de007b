"""The command line. Each command reads its words, calls one function and prints what came back."""

import os
import sys
from pathlib import Path
from typing import Any

import typer

from experiments.cli import inspect, search, train
from experiments.runtime.console import is_main_process, say
from scaler.errors import ScalerError

app = typer.Typer(
    help="Families of vision transformers under compute budgets: shrink a seed, distil, plot the frontier, train the choice.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for commands in (inspect, search, train):
    app.add_typer(commands.app)

_INTERRUPTED = 130
# typer carries a click of its own in later versions; this is its UsageError in any of them.
UsageError: Any = typer.BadParameter.__base__


def run() -> int:
    """Run the command line; returns the exit status."""
    if not is_main_process():
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
