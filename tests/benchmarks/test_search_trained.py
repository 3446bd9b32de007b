"""The study of searches: what it counts as compute, and its intervals."""

from benchmarks.search_trained import FULL, _flops, _within
from tests.experiments.report.fake_ledger import fake_info
from tests.scaler.results.records import changed


def test_only_what_was_trained_within_the_compute_counts() -> None:
    rows = [changed(row, epochs=2) for row in fake_info(9, finished=False).records]
    # Source: three passes' worth of FLOPs (forward, and twice that backward) for each image of each epoch.
    assert _flops(rows[0], FULL) == 3 * rows[0].flops * 2 * 10_000
    assert _within(rows, sum(_flops(row, FULL) for row in rows[:4]), FULL) == rows[:4]
    assert _within(rows, 0, FULL) == []
