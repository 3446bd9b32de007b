"""Quantities as people write them ("1.3G", "5.4M") and as the code holds them (integers)."""

import re
from decimal import Decimal

from scaler.errors import ScalerError

_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_TIMES = {"s": 10**9, "ms": 10**6, "us": 10**3}  # nanoseconds
_TIME = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(s|ms|us)", re.IGNORECASE)
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)", re.IGNORECASE)


def looks_numeric(text: str) -> bool:
    """Return whether ``text`` was meant as a quantity (starts like a number) rather than as a name."""
    return bool(re.match(r"\s*[-+.\d]", text))


def parse_quantity(text: str) -> Decimal:
    """Read "1.3G", "5.4M", "800k" or "42", exactly (no binary rounding).

    Raises:
        ScalerError: ``text`` is not a non-negative quantity.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ScalerError(f"{text!r} is not a quantity: write a number with k, M, G or T, such as 1.3G or 5.4M")
    return Decimal(match[1]) * _FACTORS[match[2].lower()]


def parse_time(text: str) -> Decimal:
    """Read "12ms", "850us" or "0.1s" as nanoseconds.

    Raises:
        ScalerError: ``text`` is not a time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ScalerError(f"{text!r} is not a time: write a number with s, ms or us, such as 12ms")
    return Decimal(match[1]) * _TIMES[match[2].lower()]


def format_time(nanoseconds: float, digits: int = 4) -> str:
    """Write 12340000 as "12.34ms"."""
    unit = next((unit for unit, factor in _TIMES.items() if nanoseconds >= factor), "us")
    return f"{_round(nanoseconds / _TIMES[unit], digits)}{unit}"


def format_duration(seconds: float) -> str:
    """Write 250 seconds as "4.2 min"."""
    for unit, factor in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * factor:
            return f"{_round(seconds / factor, 2)} {unit}"
    return f"{seconds:.0f} s"


def format_quantity(value: float, digits: int = 4) -> str:
    """Write 1270433000 as "1.27G", with ``digits`` significant digits."""
    for suffix in ("T", "G", "M", "k"):
        if abs(value) >= _FACTORS[suffix.lower()]:
            return f"{_round(value / _FACTORS[suffix.lower()], digits)}{suffix}"
    return _round(value, digits)


def _round(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text else text
