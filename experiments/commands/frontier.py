"""`scaler frontier`: table, figures and report of one or more runs."""

from pathlib import Path

from experiments.options.search import FrontierOptions
from experiments.report.frontier import write_frontier
from experiments.runtime.console import say
from scaler.results.ledger import Ledger


def frontier(options: FrontierOptions) -> dict[str, Path]:
    """Write the frontier of all runs together; return the files by kind."""
    for path in (run / "ledger.csv" for run in options.runs):
        if Ledger(path).is_torn:
            say(f"{path} ends within a line, which is left out; the command that wrote it completes it")
    return write_frontier(options.runs, options.out or options.runs[0] / "frontier")
