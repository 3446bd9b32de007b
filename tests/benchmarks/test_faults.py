"""Bad input and damage are refused in a line, or change nothing; `python -m benchmarks.faults` runs thousands of such cases."""

import re
from pathlib import Path

import pytest

from benchmarks.faults import run
from benchmarks.faults.cases import AT, Case
from benchmarks.faults.damage import Edit
from benchmarks.faults.judge import Ran, fault_of
from benchmarks.faults.run import examine, judged
from benchmarks.faults.world import World, make_world

NUMBERS = {
    "budgets": 60, "words": 40, "axes": 40, "classes": 5, "count": 15, "space": 10, "evaluate": 5, "finetune": 2, "import": 6,
    "train again": 4, "train on": 3, "search again": 2, "search on": 1, "frontier": 2, "teach again": 4, "logits": 4,
    "images": 10, "foreign": 20, "latency cache": 6, "shrink again": 3, "ledger lines": 3, "deep": 4, "manifest": 6, "workers": 1,
    "read-only": 3, "vanishing": 1, "demo": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.mark.slow
def test_no_case_shows_a_fault(world: World) -> None:
    tallies = {kind: examine(world, kind, number, seed=0) for kind, number in NUMBERS.items()}
    assert [fault for tally in tallies.values() for fault in tally.faults] == []
    assert NUMBERS.keys() == run._WEIGHTS.keys()
    assert sum(tally.cases for tally in tallies.values()) >= 250
    assert min(sum(getattr(tally, name) for tally in tallies.values()) for name in ("done", "refused")) > 30


@pytest.mark.slow
def test_a_silent_change_would_be_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Case(words=("evaluate", AT, "--data", "digits", "--json"), base="trained", result="output")
    assert judged(world, whole) == ("", 0)
    monkeypatch.setattr(run, "_undamaged", lambda *_: "another result")
    assert judged(world, whole)[0].startswith("another result in silence")


@pytest.mark.parametrize(
    ("ran", "after", "fault"),
    [
        ({"crash": "KeyError: 'x'"}, {}, "KeyError: 'x'"),
        ({"status": 1}, {}, "exit status 1"),
        ({"err": "Traceback (most recent call last):"}, {}, "prints a traceback"),
        ({"status": 2, "err": ""}, {}, "without a message"),
        ({"status": 2}, {"a": "1", "b": "2"}, r"refused \(scaler: no\), but changed b"),
        ({"status": 2}, {}, "but changed a"),
        ({"status": 2}, {"a.damaged": "1"}, ""),
        ({}, {"a": "1", ".a.7.tmp": "2"}, "temporary file"),
    ],
)
def test_the_judge_names_every_kind_of_fault(ran: dict[str, object], after: dict[str, str], fault: str) -> None:
    told = {"words": (), "status": 0, "out": "", "err": "scaler: no", "crash": "", **ran}
    found = fault_of(Ran(**told), {"a": "1"}, after)  # type: ignore[arg-type]
    assert re.search(fault, found)
    assert bool(found) == bool(fault)


def test_edits_change_bytes_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": {"y": 1}}')
    Edit(path="a.json", how="set", at=1, value=[2]).apply(tmp_path)
    assert (tmp_path / "a.json").read_text().split() == ["{", '"x":', "{", '"y":', "[", "2", "]", "}", "}"]
    (tmp_path / "b").write_bytes(b"abc")
    Edit(path="b", how="flip", at=1).apply(tmp_path)
    assert (tmp_path / "b").read_bytes() == b"a`c"
