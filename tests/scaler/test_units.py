import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.errors import ScalerError
from scaler.units import format_duration, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.3G", 1_300_000_000), ("5.4M", 5_400_000), ("800k", 800_000), ("42", 42), (" .5 K ", 500), ("2T", 2 * 10**12)],
)
def test_quantities_are_read_exactly(text: str, value: int) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["1.3X", "-1G", "", "G", "1,3G", "1e9", "1.3GG"])
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ScalerError, match="is not a quantity: write a number with k, M, G or T"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("value", "text"), [(1_270_432_960, "1.27G"), (999, "999"), (5_392_764, "5.393M"), (0, "0"), (12_345_600_000_000, "12.35T")]
)
def test_quantities_are_written_with_four_digits(value: int, text: str) -> None:
    assert format_quantity(value) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_written_quantities_read_back_within_rounding(value: int) -> None:
    assert int(parse_quantity(format_quantity(value))) == pytest.approx(value, rel=1e-3)


def test_durations_have_two_digits_in_their_unit() -> None:
    durations = [format_duration(seconds) for seconds in (0.2, 45, 119, 150, 7000, 9000, 170_000, 864_000)]
    assert durations == ["0 s", "45 s", "119 s", "2.5 min", "120 min", "2.5 h", "47 h", "10 days"]
