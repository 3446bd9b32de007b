"""`scaler frontier`: table, figures and report of one or more runs."""

from pathlib import Path

from experiments.options.search import FrontierOptions
from experiments.report.frontier import write_frontier


def frontier(options: FrontierOptions) -> dict[str, Path]:
    """Write the frontier of all runs together; return the files by kind."""
    return write_frontier(options.runs, options.out or options.runs[0] / "frontier")
