"""Latency budgets, from measured networks to a confirmed variant."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from experiments.commands.feasible_sets import feasible_sets
from experiments.commands.space import sample, space
from experiments.options.inspect import DescribeOptions, SampleOptions
from experiments.options.search import SearchOptions
from experiments.search import latency, selection
from experiments.search.pipeline import run_search
from experiments.search.run_folder import SearchContext
from models.networks.latency import MeasuredLatency
from models.networks.model_spec import open_model_spec
from scaler.errors import DamagedFileError, ScalerError
from tests.experiments.search.test_pipeline import ClosedForm

SEED = "tiny_vit_1m_32"


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "NETWORKS", 10)
    monkeypatch.setattr(latency, "_SECONDS", 0.0)


def run(out: Path, budget: str) -> list[Any]:
    options = SearchOptions(seed_model=SEED, budget=budget, data="digits", strategy="surrogate", trials=10, out=out)
    around, sets = feasible_sets(options, 10)
    return run_search(SearchContext(options=options, resolved={}, space=around, sets=sets, backend=ClosedForm(), say=print))


def describe(budget: str | None) -> dict[str, Any]:
    return space(DescribeOptions(seed_model=SEED, budget=budget or ()))


def test_a_budget_needs_what_was_learned() -> None:
    with pytest.raises(ScalerError, match=rf"run `scaler latency {SEED} --learn` first, with the same --axes"):
        describe("latency=1s")


def test_spaces_and_samples_know_latency_once_it_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that nothing disturbs: each parameter takes 10 ns."""

    def steady(model: nn.Module, *_: Any, seconds: float) -> MeasuredLatency:
        least = 1e5 + 10 * sum(parameter.numel() for parameter in model.parameters())
        return MeasuredLatency(least=least, median=least, low=least, high=least, runs=1, machine="steady")

    monkeypatch.setattr(latency, "measure_latency", steady)
    found = latency.learn_around(SEED)
    assert (found["networks"], found["error"] > 0) == (10, True)
    whole, half = (describe(f"latency={share}%") for share in (100_000, 50))
    assert 0 < half["feasible"] < whole["feasible"] == describe(None)["feasible"]
    drawn = sample(SampleOptions(seed_model=SEED, budget="latency=50%,flops=2M", n=20))
    assert all(one["latency_ms"] <= half["bounds"]["latency"][1] / 1e6 and one["flops"] <= 2_000_000 for one in drawn)


@pytest.mark.parametrize(("share", "says"), [(0.3, True), (1.0, False)])
def test_measurements_on_a_busy_machine_are_remarked_on(
    share: float, says: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: Any, **__: Any) -> MeasuredLatency:
        return MeasuredLatency(least=1e5, median=1e5, low=1e5, high=1e5, runs=1, machine="m", cpu_share=share)

    monkeypatch.setattr(latency, "measure_latency", measure)
    latency.time_model(open_model_spec(SEED))
    assert ("other processes had the core for 70% of the time: the machine is busy" in capsys.readouterr().err) is says
    latency.learn_around(SEED)
    assert ("the machine was busy in 10 of 10 measurements" in capsys.readouterr().err) is says


@pytest.mark.slow
def test_a_search_learns_confirms_and_says_what_it_measured(tmp_path: Path) -> None:
    (choice,) = run(tmp_path / "run", "latency=100s")
    kept = json.loads((choice.folder / "latency.json").read_text())
    assert 0 < kept["least_ms"] <= kept["median_ms"] < 100_000
    assert kept["predicted_ms"] > 0
    assert kept["machine"]
    (said,) = json.loads((tmp_path / "run" / "result.json").read_text())["budgets"]
    del kept["digest"]
    assert said["latency"] == kept


def test_a_damaged_latency_is_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that was learned for the machine, and the one of a trial."""
    (first,) = run(tmp_path / "run", "latency=100s")
    (learned,) = (tmp_path / "cache" / "scaler").glob("latency-*.json")
    for path in (learned, tmp_path / "run" / "trials" / first.record.name / "latency.json"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        DamagedFileError, match=r"latency-.+ is damaged \(.+\): learn it again with `scaler latency SEED --learn`"
    ):
        describe("latency=60%")
    run(tmp_path / "run", "latency=100s")
    said = capsys.readouterr().err
    assert "set aside as latency.json.damaged" in said
    assert f"set aside as {learned.name}.damaged: latencies are learned again" in said
    assert describe("latency=60%")


@pytest.mark.parametrize(
    "budget", ["latency=12min", "latency=1ms,flopz=3", "latency=1ms,flops=x%", "latency=5ms..1ms", "latency=x%"]
)
def test_a_budget_is_read_before_latencies_are_learned(budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "learn_latency_model", lambda _: pytest.fail("networks are measured"))
    with pytest.raises(ScalerError, match=f"budget '{budget}'"):
        run(tmp_path, budget)
    with pytest.raises(ScalerError, match="bounds flops, params and latency; two of them can be bounded"):
        run(tmp_path, "latency=60%,flops=1M,params=1M")


@pytest.mark.slow
def test_a_candidate_that_takes_longer_than_predicted_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (best,) = run(tmp_path / "first", "latency=100s")
    slow, confirm = best.record.name, selection.confirm_latency

    def confirmed(folder: Path, *rest: Any) -> dict[str, Any]:
        return {"least_ms": 1e9} if folder.name == slow else confirm(folder, *rest)

    monkeypatch.setattr(selection, "confirm_latency", confirmed)
    (second,) = run(tmp_path / "second", "latency=100s")
    assert second.record.name != slow
    monkeypatch.setattr(selection, "confirm_latency", lambda *_: {"least_ms": 1e9})
    with pytest.raises(ScalerError, match=r"none of 10 candidates meets latency=100s when measured; .* 1000000s"):
        run(tmp_path / "third", "latency=100s")
