"""Run the cases of one kind, and tally what they show."""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from benchmarks.faults.cases import AT, RESULTS, Case, kinds
from benchmarks.faults.damage import copy
from benchmarks.faults.judge import LIMIT_S, fault_of, run_words, snapshot
from benchmarks.faults.surroundings import quick_measurements, read_only, vanishing
from benchmarks.faults.world import World
from experiments.runtime.console import say
from scaler.errors import UnknownNameError

# How the cases are spread: more of those that take milliseconds.
_WEIGHTS = {
    "budgets": 16, "words": 16, "axes": 14, "classes": 2, "count": 10, "space": 6, "evaluate": 6, "finetune": 3, "import": 3,
    "train again": 5, "train on": 5, "search again": 3, "search on": 2, "frontier": 3, "teach again": 4, "logits": 3, "images": 6,
    "foreign": 6, "latency cache": 5, "shrink again": 4, "ledger lines": 1, "deep": 6, "manifest": 4, "workers": 0.1,
    "read-only": 1, "vanishing": 2, "demo": 0.3,
}  # fmt: skip


_TORN = "ledger.csv ends within a line"  # said of a result that differs, which is therefore not silent


@dataclass
class Tally:
    """Counts of cases, and the faults in words."""

    cases: int = 0
    done: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        return f"{self.cases} cases, {self.done} done, {self.refused} refused, {len(self.faults)} faults"


def check_kinds(world: World, wanted: Sequence[str] | None) -> dict[str, float]:
    """Return the fraction of the cases that each wanted kind gets.

    Raises:
        UnknownNameError: if there is no such kind.
    """
    for name in wanted or ():
        if name not in _WEIGHTS:
            raise UnknownNameError("kind of case", name, _WEIGHTS)
    chosen = {name: _WEIGHTS[name] for name in wanted or _WEIGHTS}
    return {name: weight / sum(chosen.values()) for name, weight in chosen.items()}


def examine(world: World, kind: str, cases: int, seed: int) -> Tally:
    """Run about ``cases`` cases of ``kind`` and return what they show."""
    tally = Tally()

    @seeded(seed)
    @settings(max_examples=cases, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(kinds(world)[kind])
    def one(case: Case) -> None:
        _run(world, kind, case, tally)

    one()
    return tally


def _run(world: World, kind: str, case: Case, tally: Tally) -> None:
    begun = time.monotonic()
    fault, status = judged(world, case)
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - begun)
    tally.cases, tally.done, tally.refused = tally.cases + 1, tally.done + (status == 0), tally.refused + (status == 2)
    if fault:
        tally.faults.append(f"{kind}: {fault}: {_described(case)}")
        say(tally.faults[-1])


def _described(case: Case) -> str:
    return f"{' '.join(case.words)!r:.600} {[*case.edits, *case.files.items()]!r:.600}"


def judged(world: World, case: Case) -> tuple[str, int]:
    """Run ``case`` and return its fault in words, empty for none, and its exit status."""
    place = Path(mkdtemp(dir=world.root, prefix="case-"))
    try:
        return _judged_in(place, world, case)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _judged_in(place: Path, world: World, case: Case) -> tuple[str, int]:
    folder = _laid_out(place, world, case)
    before = snapshot(place)
    os.chdir(place)
    cache = folder if case.base == "cache" else world.root / "cache"
    with (
        quick_measurements(cache),
        read_only(place) if case.read_only else nullcontext(),
        vanishing(folder, case.vanishes),
    ):
        ran = run_words([word.replace(AT, str(folder)) for word in case.words], LIMIT_S)
    os.chdir(world.root)
    fault = fault_of(ran, {} if case.vanishes else before, {} if case.vanishes else snapshot(place))
    if not fault and case.result and ran.status == 0 and _TORN not in ran.err:
        found, expected = RESULTS[case.result](ran, folder), _undamaged(world, case.words, case.base, case.result)
        fault = f"another result in silence: {found} instead of {expected}"[:600] if found != expected else ""
    return fault, ran.status


def _laid_out(place: Path, world: World, case: Case) -> Path:
    folder = place / "a" / "at"
    folder.parent.mkdir()
    if case.base:
        copy(world.root / case.base, folder)
    else:
        folder.mkdir()
    for edit in case.edits:
        edit.apply(folder)
    for name, data in case.files.items():
        path = folder / os.fsdecode(os.fsencode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@cache
def _undamaged_result(root: Path, words: tuple[str, ...], base: str, result: str) -> Any:
    place = Path(mkdtemp(dir=root, prefix="case-"))
    folder = place / "a" / "at"
    copy(root / base, folder)
    with quick_measurements(folder if base == "cache" else root / "cache"):
        ran = run_words([word.replace(AT, str(folder)) for word in words])
    found = RESULTS[result](ran, folder)
    shutil.rmtree(place)
    return found


def _undamaged(world: World, words: tuple[str, ...], base: str, result: str) -> Any:
    return _undamaged_result(world.root, words, base, result)
