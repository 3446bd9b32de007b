import pytest

from scaler.budget import Bound, Budget, parse_budget
from scaler.errors import ScalerError

SEED = {"flops": 4_275_762_240, "params": 21_198_568, "resolution": 224, "latency": 40_000_000}
OTHER = {"flops": 4_509_194_496, "params": 28_288_354, "resolution": 224}


def read(text: str) -> Budget:
    return parse_budget(text, SEED, {"swin_tiny": OTHER}.__getitem__)


def test_a_bare_value_is_an_upper_bound() -> None:
    assert read("flops=1.3G,params=5.4M")["flops"] == Bound(0, 1_300_000_000)
    assert read("flops=1.3G,params=5.4M")["params"] == Bound(0, 5_400_000)


def test_a_band_has_two_ends_and_either_may_be_open() -> None:
    assert read("flops=1.25G..1.3G")["flops"] == Bound(1_250_000_000, 1_300_000_000)
    assert read("params=1M..")["params"] == Bound(1_000_000, float("inf"))
    assert read("params=..1M")["params"] == Bound(0, 1_000_000)


def test_percentages_and_names_refer_to_models() -> None:
    assert read("flops=60%")["flops"].high == 2_565_457_344  # 0.6 * 4,275,762,240, rounded down
    assert read("params=50%..swin_tiny")["params"] == Bound(10_599_284, 28_288_354)


def test_a_fraction_is_rounded_into_the_band() -> None:
    assert read("params=1.2345..2.5")["params"] == Bound(2, 2)
    assert read("flops=0.1%..0.3%")["flops"] == Bound(4_275_763, 12_827_286)  # 4,275,762.24 and 12,827,286.72


def test_ends_are_included() -> None:
    budget = read("flops=100,params=10..20,resolution=224")
    assert budget.admits({"flops": 100, "params": 10, "resolution": 224})
    assert budget.admits({"flops": 0, "params": 20, "resolution": 1})
    assert not budget.admits({"flops": 101, "params": 10, "resolution": 224})
    assert not budget.admits({"flops": 100, "params": 9, "resolution": 224})
    assert not budget.admits({"flops": 100, "params": 10, "resolution": 225})


def test_latency_is_a_time() -> None:
    assert read("latency=12ms")["latency"] == Bound(0, 12_000_000)
    assert read("latency=850us..0.0125s")["latency"] == Bound(850_000, 12_500_000)
    assert read("latency=50%")["latency"].high == 20_000_000
    assert read("latency=850us..12.5ms").asked("latency") == "850us..12.5ms"


def test_what_is_not_known_is_not_judged() -> None:
    assert read("latency=12ms,params=5").admits({"params": 5})
    assert not read("latency=12ms,params=5").admits({"params": 5, "latency": 12_000_001})


def test_the_costs_that_rule_membership() -> None:
    assert read("resolution=224").costs == read("params=5").costs == ("flops", "params")
    assert read("latency=1s").costs == read("latency=1s,params=5").costs == ("latency", "params")
    assert read("latency=1s,flops=5").costs == ("latency", "flops")
    with pytest.raises(ScalerError, match="bounds flops, params and latency"):
        _ = read("latency=1s,flops=5,params=5").costs


def test_a_miss_is_relative_to_the_bound_it_misses() -> None:
    assert read("flops=100,params=10..20").violations({"flops": 150, "params": 5, "resolution": 32}) == {
        "flops": 0.5,
        "params": 0.5,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flops", "'flops' is not KEY=VALUE, such as flops=1.3G"),
        ("flops=", "'flops=' is not KEY=VALUE"),
        ("", "'' is not KEY=VALUE"),
        ("speed=3", "unknown key 'speed'; the keys are flops, params, latency, resolution"),
        ("latency=12", "'12' is not a time: write a number with s, ms or us"),
        ("latency=swin_tiny", "'swin_tiny' is not a time: write, for example, latency=12ms"),
        ("flops=1.3X", "'1.3X' is not a quantity"),
        ("flops=x%", "'x%' is not a percentage"),
        ("flops=nan%", "'nan%' is not a percentage"),
        ("flops=inf%", "'inf%' is not a percentage"),
        ("flops=sNaN%", "'sNaN%' is not a percentage"),
        ("flops=1e999%", "'1e999%' is above 10^18"),
        ("flops=1e999999999%", "'1e999999999%' is above 10^18"),
        ("flops=9999999T..", "'9999999T' is above 10^18"),
        ("flops=2G..1G", "the band '2G..1G' is empty"),
        ("params=10.2..10.8", "the band '10.2..10.8' is empty: no whole number lies in it"),
        ("flops=1G,flops=2G", "flops is bounded twice"),
    ],
)
def test_a_broken_budget_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ScalerError) as error:
        read(text)
    assert message in str(error.value)
    assert repr(text) in str(error.value)
