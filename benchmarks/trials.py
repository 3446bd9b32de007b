"""Many trials: four workers under random kills lose none and score none twice; time and memory of a trial among few and many.

Candidates are scored in closed form, so that the time is the search's own: asking, telling, the ledger, the frontier.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Figures, seconds
from benchmarks.trial_worker import SEED, SETS, WORKERS, open_study, tell
from experiments.report.frontier import write_frontier
from experiments.runtime.console import say
from experiments.runtime.parent import environment_of_child
from experiments.search.trial_rows import TrialRows
from scaler.json_files import write_sealed
from scaler.results.ledger import Ledger
from scaler.trials.study import SearchStudy

_FEW, _TIMED = 100, 50
_STRATEGIES = ("uniform", "surrogate")
_KILL_EVERY_S = 12.0  # on average


def run(quick: bool) -> Figures:
    many = 150 if quick else 10_000
    found: Figures = {"trials": many, "workers": WORKERS}
    with TemporaryDirectory() as folder:
        place = Path(folder)
        found |= _under_kills(place / "many", many)
        for name in _STRATEGIES:
            few = _timed(place / f"few-{name}", name, _FEW)
            # The trials of the large study are those of the uniform strategy; the others propose from them all the same.
            found[name] = {"few": few, "many": (large := _timed(place / "many", name, many))}
            found[name]["ratio"] = large["trial_ms"] / few["trial_ms"]
    return found


def _under_kills(folder: Path, trials: int) -> Figures:
    """Run four workers until ``trials`` candidates are scored, killing one at random now and then."""
    study, rng, kills, began = open_study(folder, "uniform", trials), random.Random(0), 0, time.monotonic()
    rows = TrialRows(Ledger(folder / "ledger.csv"), say)
    with _workers(folder, trials) as workers:
        next_kill = began + rng.expovariate(1 / _KILL_EVERY_S)
        while study.finished() < trials:
            time.sleep(0.5)
            if time.monotonic() > next_kill:
                rng.choice(workers).send_signal(signal.SIGKILL)
                kills, next_kill = kills + 1, time.monotonic() + rng.expovariate(1 / _KILL_EVERY_S)
            _replace_dead(workers, study, folder, trials)
            rows.sync(study)
    rows.sync(study)
    numbers = [row.trial for row in Ledger(folder / "ledger.csv")]
    lost, twice = len(set(range(trials)) - set(numbers)), len(numbers) - len(set(numbers))
    return {"kills": kills, "lost": lost, "twice": twice, "wall_s": time.monotonic() - began}


@contextmanager
def _workers(folder: Path, trials: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    workers = [_started(folder, trials) for _ in range(WORKERS)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _started(folder: Path, trials: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "benchmarks.trial_worker", str(folder), str(trials), "uniform"]
    return subprocess.Popen(command, env=environment_of_child())


def _replace_dead(workers: list["subprocess.Popen[bytes]"], study: SearchStudy, folder: Path, trials: int) -> None:
    for i, worker in enumerate(workers):
        if worker.poll() is not None and study.finished() < trials:
            study.abandon(worker.pid)
            workers[i] = _started(folder, trials)


def _timed(folder: Path, name: str, trials: int) -> dict[str, Any]:
    """Return the median milliseconds of a trial after ``trials`` others, their parts, and this process's memory in MB."""
    study, rows = open_study(folder, name, trials + _TIMED), TrialRows(Ledger(folder / "ledger.csv"), say)
    _fill(study, trials)
    rows.sync(study)
    parts: dict[str, list[float]] = {"ask_ms": [], "tell_ms": [], "ledger_ms": []}
    asking, end = study.ask(len(study.records()) + _TIMED), len(study.records()) + _TIMED
    while study.finished() < end:
        began = time.perf_counter()
        asked = next(asking)
        parts["ask_ms"].append(1000 * (time.perf_counter() - began))
        parts["tell_ms"].append(1000 * seconds(lambda asked=asked: tell(study, asked)))  # type: ignore[misc]
        parts["ledger_ms"].append(1000 * seconds(lambda: rows.sync(study)))
    found = {part: median(times) for part, times in parts.items()}
    found["frontier_ms"] = 1000 * _frontier_s(folder) / end
    return {"trial_ms": sum(found.values()), **found, "memory_mb": _memory_mb()}


def _fill(study: SearchStudy, trials: int) -> None:
    if study.finished() < trials:
        for asked in study.ask(trials):
            tell(study, asked)


def _frontier_s(folder: Path) -> float:
    bounds = [{"text": s.budget.text, "bounds": {key: [b.low, b.high] for key, b in s.budget.bounds}} for s in SETS]
    write_sealed(folder / "run.json", {"bounds": bounds, "seed_model": SEED})
    return seconds(lambda: write_frontier([folder], folder / "frontier"))


def _memory_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
