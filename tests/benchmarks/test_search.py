"""The study of searches: what it counts as compute, and its intervals."""

import pytest

from benchmarks.search import FULL, _flops, _interval, _within
from tests.experiments.report.fake_ledger import fake_info
from tests.scaler.results.records import changed


def test_only_what_was_trained_within_the_compute_counts() -> None:
    rows = [changed(row, epochs=2) for row in fake_info(9, finished=False).records]
    # Source: three passes' worth of FLOPs (forward, and twice that backward) for each image of each epoch.
    assert _flops(rows[0], FULL) == 3 * rows[0].flops * 2 * 10_000
    assert _within(rows, sum(_flops(row, FULL) for row in rows[:4]), FULL) == rows[:4]
    assert _within(rows, 0, FULL) == []


def test_an_interval_is_students() -> None:
    # Source: t for four degrees of freedom, 2.776, times a standard deviation of sqrt(2.5) over sqrt(5).
    found = _interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found["mean"] == 3
    assert found["high"] - 3 == pytest.approx(3 - found["low"]) == pytest.approx(2.776 * 2.5**0.5 / 5**0.5, rel=1e-3)
    assert _interval([7.0]) == {"mean": 7.0, "low": 7.0, "high": 7.0}
