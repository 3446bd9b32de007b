"""Budgets: bounds on what an architecture may cost, as people write them.

A budget is comma-separated bounds, ``flops=1.3G,params=5.4M``. A bare value is an upper bound, ``lo..hi`` a band (either side may
be left out), ``60%`` is relative to the seed, and a model's name stands for that model's own cost. Latency is a time, ``12ms``,
and held in nanoseconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from math import ceil, floor, inf

from scaler.errors import ScalerError
from scaler.units import format_quantity, format_time, looks_numeric, parse_quantity, parse_time

KEYS = ("flops", "params", "latency", "resolution")
ADDITIVE_COSTS = ("flops", "params", "latency")  # which add up over a network's parts

_MOST = 10**18  # above any network's cost, and within 64-bit integers


@dataclass(frozen=True)
class Bound:
    """``low <= value <= high``; an open side is 0 or infinite."""

    low: float = 0
    high: float = inf

    def admits(self, value: float) -> bool:
        return self.low <= value <= self.high

    def miss(self, value: float) -> float:
        """Return by how much ``value`` misses, relative to the side that it misses; 0 inside."""
        if value > self.high:
            return (value - self.high) / max(self.high, 1)
        return (self.low - value) / self.low if value < self.low else 0.0

    def relaxed(self, fraction: float) -> "Bound":
        return Bound(self.low * (1 - fraction), self.high + fraction * max(self.high, 1))


@dataclass(frozen=True)
class Budget:
    """Bounds by name (see `KEYS`), and the text that they were read from."""

    bounds: tuple[tuple[str, Bound], ...] = ()
    text: str = "any cost"

    def __getitem__(self, key: str) -> Bound:
        return dict(self.bounds).get(key, Bound())

    @property
    def costs(self) -> tuple[str, str]:
        """The two costs that decide membership in a feasible set: those that are bounded, before those that are not.

        Raises:
            ScalerError: three are bounded.
        """
        bounded = {key for key, _ in self.bounds}
        if bounded.issuperset(ADDITIVE_COSTS):
            raise ScalerError(f"budget {self.text!r} bounds flops, params and latency; two of them can be bounded: leave one out")
        if "latency" not in bounded:
            return "flops", "params"
        return "latency", "flops" if "flops" in bounded else "params"

    def admits(self, values: Mapping[str, float]) -> bool:
        """Return whether ``values`` of a network meet the bounds; bounds on values that are not given are passed over."""
        return not any(self.violations(values).values())

    def violations(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return, for each bounded key in ``values``, by how much the value misses its bound, relative to it; 0 if it is met."""
        return {key: bound.miss(values[key]) for key, bound in self.bounds if key in values}

    def within(self, key: str, bound: Bound) -> "Budget":
        """Return the budget with ``key`` bounded by ``bound`` instead."""
        return Budget(tuple(sorted({**dict(self.bounds), key: bound}.items())), self.text)

    def relaxed(self, fraction: float) -> "Budget":
        """Return the budget with every bound on cost moved outward by ``fraction`` of itself; the resolution's stays."""
        moved = ((key, bound if key == "resolution" else bound.relaxed(fraction)) for key, bound in self.bounds)
        return Budget(tuple(moved), self.text)

    def asked(self, key: str) -> str:
        """Return the bound on ``key`` in words."""
        low, high = (format_value(key, end) for end in (self[key].low, self[key].high))
        return f"{low}..{high}" if self[key].low else f"at most {high}"

    def __str__(self) -> str:
        return self.text


def format_value(key: str, value: float) -> str:
    """Return a value of ``key`` as people write it."""
    return format_time(value) if key == "latency" else format_quantity(value)


def parse_budget(text: str, reference: Mapping[str, int], look_up: Callable[[str], Mapping[str, int]]) -> Budget:
    """Read a budget.

    Args:
        text: for example ``"flops=1.25G..1.3G,params=60%"``.
        reference: the seed's flops, params, resolution and, where it is known, latency in ns, which percentages refer to.
        look_up: from a model's name to the same three values of that model.

    Raises:
        ScalerError: the text is not a budget; the message says which part and what it may be.
    """
    bounds: dict[str, Bound] = {}
    for key, value in split_budget(text).items():
        try:
            bounds[key] = _parse_bound(value, partial(_parse_side, key=key, reference=reference, look_up=look_up))
        except ScalerError as error:
            raise ScalerError(f"budget {text!r}: {error}") from error
    return Budget(tuple(sorted(bounds.items())), text)


def check_budget(text: str, reference: Mapping[str, int], look_up: Callable[[str], Mapping[str, int]]) -> None:
    """Check a budget before the latency of the seed is known, which percentages of latency refer to.

    Raises:
        ScalerError: as `parse_budget`, or if three costs are bounded.
    """
    values = split_budget(text)
    relative = values.pop("latency", "") if "%" in values.get("latency", "") else ""
    for end in filter(str.strip, relative.split("..")):
        try:
            _parse_side(end, "latency", {"latency": 1}, look_up)
        except ScalerError as error:
            raise ScalerError(f"budget {text!r}: {error}") from error
    rest = parse_budget(",".join(f"{key}={value}" for key, value in values.items()), reference, look_up) if values else Budget()
    bounds = {**dict(rest.bounds), **({"latency": Bound()} if relative else {})}
    _ = Budget(tuple(bounds.items()), text).costs


def split_budget(text: str) -> dict[str, str]:
    """Split a budget into its keys and the texts of their values, which are not read.

    Raises:
        ScalerError: if a part is not KEY=VALUE, or its key is unknown or bounded twice.
    """
    values: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ScalerError(f"budget {text!r}: {part.strip()!r} is not KEY=VALUE, such as flops=1.3G or params=60%")
        if key not in KEYS:
            raise ScalerError(f"budget {text!r}: unknown key {key!r}; the keys are {', '.join(KEYS)}")
        if key in values:
            raise ScalerError(f"budget {text!r}: {key} is bounded twice; write one band such as {key}=1.2G..1.3G")
        values[key] = value
    return values


def _parse_bound(value: str, side: Callable[[str], Decimal]) -> Bound:
    """Costs are whole, so a lower end is rounded up and an upper one down: the bound admits what was written and no more."""
    low, band, high = value.partition("..")
    if not band:
        return Bound(high=floor(side(value)))
    bound = Bound(ceil(side(low)) if low.strip() else 0, floor(side(high)) if high.strip() else inf)
    if bound.low > bound.high:
        raise ScalerError(f"the band {value!r} is empty: no whole number lies in it")
    return bound


def _parse_side(text: str, key: str, reference: Mapping[str, int], look_up: Callable[[str], Mapping[str, int]]) -> Decimal:
    text = text.strip()
    if text.endswith("%"):
        value = _parse_percent(text) * reference[key] / 100
    elif looks_numeric(text):
        value = parse_time(text) if key == "latency" else parse_quantity(text)
    elif key == "latency":
        raise ScalerError(f"{text!r} is not a time: write, for example, latency=12ms, or latency=60% of the seed's")
    else:
        value = Decimal(look_up(text)[key])
    if value > _MOST:
        raise ScalerError(f"{text!r} is above 10^18, which no network costs: leave that end out or lower it")
    return value


def _parse_percent(text: str) -> Decimal:
    try:
        share = Decimal(text[:-1])
    except InvalidOperation:
        share = Decimal(-1)
    if not share.is_finite() or share < 0:
        raise ScalerError(f"{text!r} is not a percentage: write, for example, 60%")
    return min(share, Decimal(1000 * _MOST))  # of any cost more than networks have; larger ones overflow
