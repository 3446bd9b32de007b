"""Many trials: four workers under random kills lose none and score none twice; time and memory of a trial among few and many.

Candidates are scored in closed form, so that the time is the search's own: asking, telling, the ledger, the frontier.
``python -m benchmarks.trials --under-kills 1000`` has fewer trials by killed workers than ``python -m benchmarks trials``.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
import typer
from optuna.trial import create_trial

from benchmarks.measure import Figures
from benchmarks.trial_worker import SEED, SETS, SPACE, WORKERS, open_study, record_of, tell
from experiments.report.frontier import write_frontier
from experiments.runtime.console import print_json, say
from experiments.runtime.parent import environment_of_child
from experiments.search.trial_rows import TrialRows
from scaler.json_files import write_sealed
from scaler.results.ledger import Ledger
from scaler.trials.attributes import NOTES, RECORD
from scaler.trials.sampler import distributions, noted_of
from scaler.trials.storage import open_storage, sqlite_url
from scaler.trials.strategy import Proposal
from scaler.trials.study import STUDY, STUDY_NAME, SearchStudy

_FEW, _MANY, _UNDER_KILLS, _TIMED = 100, 10_000, 10_000, 50
_STRATEGIES = ("uniform", "surrogate")
_KILL_EVERY_S = 12.0  # on average


def run(quick: bool) -> Figures:
    return measure(200 if quick else _UNDER_KILLS, 1_000 if quick else _MANY)


def measure(under_kills: int, many: int) -> Figures:
    """Return the outcome of ``under_kills`` trials by killed workers, and the time of a trial after a few and after ``many``."""
    found: Figures = {"workers": WORKERS, "trials_under_kills": under_kills, "trials": many}
    with TemporaryDirectory() as folder:
        place = Path(folder)
        found |= _under_kills(place / "killed", under_kills)
        say(f"under kills: {found}")
        _fill(place / "few", _FEW)
        _fill(place / "many", many)
        for name in _STRATEGIES:
            few, large = (_timed(place / folder, name) for folder in ("few", "many"))
            found[name] = {"few": few, "many": large, "ratio": large["trial_ms"] / few["trial_ms"]}
            say(f"{name}: {found[name]}")
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


def _timed(folder: Path, name: str) -> dict[str, Any]:
    """Return the time of another trial of the study in ``folder``, its parts, and this process's memory in MB.

    Times are medians of processor time in milliseconds: other work on the machine does not count.
    """
    study, rows = open_study(folder, name, 10**6), TrialRows(Ledger(folder / "ledger.csv"), say)
    rows.sync(study)
    parts: dict[str, list[float]] = {"ask_ms": [], "tell_ms": [], "ledger_ms": []}
    asking, end = study.ask(len(study.records()) + _TIMED), len(study.records()) + _TIMED
    while study.finished() < end:
        times = [time.process_time()]
        asked = next(asking)
        times.append(time.process_time())
        tell(study, asked)
        times.append(time.process_time())
        rows.sync(study)
        times.append(time.process_time())
        for part, (before, after) in zip(parts.values(), pairwise(times), strict=True):
            part.append(1000 * (after - before))
    found = {part: median(times) for part, times in parts.items()}
    found["frontier_ms"] = 1000 * _frontier_s(folder) / end
    return {"trial_ms": sum(found.values()), **found, "memory_mb": _memory_mb()}


def _fill(folder: Path, trials: int) -> None:
    """Add ``trials`` scored trials to the study in ``folder``, drawn at random, as quickly as Optuna takes them."""
    open_study(folder, "uniform", trials)
    rng, kinds = np.random.default_rng(0), distributions(SPACE)
    study = optuna.load_study(study_name=STUDY_NAME, storage=open_storage(sqlite_url(folder / STUDY)))
    for number, point in enumerate(SETS[0].sample_points(trials, rng)):
        proposal, arch = Proposal(tuple(map(int, point)), 0, "random"), SPACE.arch(point)
        record = record_of(number, 0, "random", arch)
        attributes = {NOTES: noted_of(proposal), RECORD: record.row()}
        params = dict(SPACE.values(proposal.point))
        study.add_trial(create_trial(params=params, distributions=kinds, value=record.top1, user_attrs=attributes))


def _frontier_s(folder: Path) -> float:
    bounds = [{"text": s.budget.text, "bounds": {key: [b.low, b.high] for key, b in s.budget.bounds}} for s in SETS]
    write_sealed(folder / "run.json", {"bounds": bounds, "seed_model": SEED})
    began = time.process_time()
    write_frontier([folder], folder / "frontier")
    return time.process_time() - began


def _memory_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main(under_kills: int = _UNDER_KILLS, many: int = _MANY) -> None:
    """Print the figures as one JSON object."""
    print_json({"benchmark": "trials", "figures": measure(under_kills, many)})


if __name__ == "__main__":
    typer.run(main)
