"""The command line: a table of commands, each made of a dataclass of options and one function."""

import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from experiments.cli import show
from experiments.cli.adapter import Command, GroupedCommands, add
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
from experiments.runtime.console import is_main_process, say
from scaler.errors import ScalerError
from scaler.files import PLACE_ERRORS, place_error

_START, _SEARCH, _TRAIN, _MODELS = "Start here", "Search", "Train", "Models in and out"


def _command(name: str, group: str, options: Any, run: str, shown: Any, **more: Any) -> Command:
    return Command(name=name, group=group, options=options, run=f"experiments.commands.{run}", show=shown, **more)


COMMANDS = (
    _command("demo", _START, DemoOptions, "demo:demo", show.demo, to_json=None),
    _command("list", _START, ListOptions, "listing:listing", show.listing, to_json=None),
    _command("count", _SEARCH, CountOptions, "count:count", show.count),
    _command("space", _SEARCH, DescribeOptions, "space:space", show.space),
    _command("sample", _SEARCH, SampleOptions, "space:sample", show.sample),
    _command("search", _SEARCH, SearchOptions, "search:search", show.search, to_json=show.search_json),
    _command("frontier", _SEARCH, FrontierOptions, "frontier:frontier", show.frontier, to_json=show.frontier_json),
    _command("watch", _SEARCH, WatchOptions, "watch:watch", show.watch, to_json=asdict),
    _command("latency", _SEARCH, LatencyOptions, "latency:latency", show.latency),
    _command("train", _TRAIN, TrainOptions, "train:train", show.scores, to_json=show.record_json),
    _command("shrink", _TRAIN, ShrinkOptions, "shrink:shrink", show.shrunk),
    _command("elastic", _TRAIN, ElasticOptions, "elastic:elastic", show.elastic),
    _command("teach", _TRAIN, TeachOptions, "teach:teach", show.store),
    _command("evaluate", _TRAIN, EvaluateOptions, "evaluate:evaluate", show.scores),
    _command("predict", _TRAIN, PredictOptions, "predict:predict", show.predicted),
    _command("import", _MODELS, ImportOptions, "import_checkpoint:import_checkpoint", show.imported),
    _command("export", _MODELS, ExportOptions, "export:export", show.exported),
)

app = typer.Typer(
    cls=GroupedCommands,
    help="Shrink a large vision transformer under compute budgets: search, distil, plot the frontier, train the choice.",
    epilog="Every command has an example: scaler COMMAND --help.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in COMMANDS:
    add(app, command)

_INTERRUPTED = 130
# Typer carries a click of its own in later versions; this is its UsageError in any of them.
UsageError: Any = typer.BadParameter.__base__


def run() -> int:
    """Run the command line and return the exit status."""
    if not sys.warnoptions:  # libraries' warnings would stand before the messages of a command
        warnings.filterwarnings("ignore", category=UserWarning)
    if not is_main_process():
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if status == _INTERRUPTED:  # Typer turns an interrupt into its status
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
    except OSError as error:
        if error.errno not in PLACE_ERRORS:
            raise
        say(f"scaler: {place_error(error)}")
        return 2


def _interrupted() -> int:
    say("scaler: interrupted; what was finished is kept, and the same command continues")
    return _INTERRUPTED
