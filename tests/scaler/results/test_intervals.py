"""Intervals against scipy's own tests and published tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from scaler.results.intervals import mean_with_interval, student_t, wilson


@pytest.mark.parametrize(("right", "images"), [(8, 10), (0, 10), (10, 10), (351, 360), (40_650, 50_000)])
def test_wilson_agrees_with_scipy(right: int, images: int) -> None:
    expected = binomtest(right, images).proportion_ci(method="wilson")
    assert wilson(100 * right / images, images) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-9)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_wilson_holds_its_accuracy_and_narrows_with_images(case: tuple[int, int]) -> None:
    images, right = case
    low, high = wilson(100 * right / images, images)
    assert 0 <= low <= 100 * right / images + 1e-9
    assert 100 * right / images - 1e-9 <= high <= 100
    narrow_low, narrow_high = wilson(100 * right / images, 4 * images)
    assert narrow_high - narrow_low < high - low


# Source: Student's t, 97.5 % points for 1, 2, 9, 19 and 120 degrees of freedom, as printed in any table.
@pytest.mark.parametrize(("values", "printed"), [(2, 12.706), (3, 4.303), (10, 2.262), (20, 2.093), (121, 1.980)])
def test_students_t_is_that_of_the_tables(values: int, printed: float) -> None:
    assert student_t(values) == pytest.approx(printed, abs=5e-4)


@given(st.integers(2, 1000))
def test_students_t_agrees_with_scipy(values: int) -> None:
    assert student_t(values) == pytest.approx(t.ppf(0.975, values - 1), rel=1e-9)


def test_an_interval_is_students() -> None:
    # Source: t for four degrees of freedom, 2.776, times a standard deviation of sqrt(2.5) over sqrt(5).
    found = mean_with_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found["mean"] == 3
    assert found["high"] - 3 == pytest.approx(3 - found["low"]) == pytest.approx(2.776 * 2.5**0.5 / 5**0.5, rel=1e-3)
    assert mean_with_interval([7.0]) == {"mean": 7.0, "low": 7.0, "high": 7.0}
