"""`scaler watch`: the state of a search that another process runs."""

from experiments.options.search import WatchOptions
from experiments.report.snapshot import Snapshot, read_snapshot


def watch(options: WatchOptions) -> Snapshot:
    """Return the state of the search at this moment."""
    return read_snapshot(options.run, options.storage)
