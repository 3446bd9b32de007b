"""Commands that are killed at random moments and repeated end with the results of one that nothing disturbed.

Every command runs in a process of its own, forked from one that has loaded PyTorch, so that most kills hit its work and not its
start. SIGKILL hits it and all that it started; in a search with workers it sometimes hits one of them, or their parent, alone.
Between two calls the folder is moved now and then.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from experiments.cli import run
from experiments.runtime.console import print_json, say
from experiments.studies.small_jobs import Job, make_jobs
from scaler.errors import ScalerError
from scaler.files import write_json

NAME = "run"  # of every folder, since results hold it
_MOVES = 0.25  # of the calls are preceded by a move of the folder
_LOADED = ("commands.train", "commands.teach", "commands.start_search", "commands.start_shrink", "report.frontier")


def study(
    out: Annotated[Path, typer.Option("--out")],
    kills: Annotated[int, typer.Option("--kills", min=1, help="Of each command.")] = 40,
    seed: Annotated[int, typer.Option("--seed", help="Of the moments.")] = 0,
    only: Annotated[list[str] | None, typer.Option("--only", help="A command; may be repeated.")] = None,
) -> None:
    """Kill each command at random moments until all ``kills`` have hit, and compare; adds to ``out``/results.json."""
    for module in _LOADED:
        import_module(f"experiments.{module}")
    jobs = [job for job in make_jobs(out / "inputs", run_whole) if not only or job.name in only]
    for job in jobs:
        found = under_fire(job, out / job.name, kills, random.Random(f"{seed} {job.name}"))
        kept = _kept(out)
        write_json(out / "results.json", {**kept, job.name: _added(kept.get(job.name), found)})
    print_json(_kept(out))


def under_fire(job: Job, place: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Run ``job`` again and again until ``kills`` kills have hit it; return how often it ended, and how often otherwise.

    Whenever it ends, its result is compared with that of an undisturbed run, and it starts anew.
    """
    took = _undisturbed_s(job, place)
    expected, home, hits, ended, different = job.result(place / "whole" / NAME), place / "first", 0, 0, 0
    while True:
        process = start(job.command(home / NAME), place / "killed.log")
        hit = hits < kills and _kill(process, rng.uniform(0, took), job, rng)
        hits += hit
        process.join()
        if not hit:
            _require_success(process, place / "killed.log")
            ended, different = ended + 1, different + (job.result(home / NAME) != expected)
            shutil.rmtree(home)
            say(f"{job.name}: {hits} of {kills} kills, {ended} times at the end, {different} times with another result")
            if hits >= kills:
                return {"kills": hits, "ended": ended, "different": different}
        elif rng.random() < _MOVES and home.exists():
            home = home.rename(place / ("second" if home.name == "first" else "first"))


def _undisturbed_s(job: Job, place: Path) -> float:
    """Return the seconds of an undisturbed run, the second one, whose results stay in ``place``/whole."""
    seconds = 0.0
    for _ in range(2):
        shutil.rmtree(place / "whole", ignore_errors=True)
        began = time.monotonic()
        run_whole(job.command(place / "whole" / NAME), place / "whole.log")
        seconds = time.monotonic() - began
    return seconds


def run_whole(words: Sequence[str], log: Path) -> None:
    """Run a command to its end.

    Raises:
        ScalerError: if it fails.
    """
    process = start(words, log)
    process.join()
    _require_success(process, log)


def start(words: Sequence[str], log: Path) -> ForkProcess:
    """Start a command in a process group of its own; what it prints goes to the file ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    process = get_context("fork").Process(target=_work, args=(words, log))
    process.start()
    return process


def _work(words: Sequence[str], log: Path) -> None:
    os.setsid()
    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))
    sys.argv = ["scaler", *words]
    os._exit(run())


def _kill(process: ForkProcess, delay: float, job: Job, rng: random.Random) -> bool:
    """Kill after ``delay`` seconds; return False if the command has ended before, or goes on without the killed worker."""
    process.join(delay)
    if not process.is_alive() or not process.pid:
        return False
    workers = _others_in_group(process.pid) if job.has_workers else []
    target = rng.choice(["group", "parent", "worker"]) if workers else "group"
    if target == "worker":
        os.kill(rng.choice(workers), signal.SIGKILL)
        return False
    if target == "parent":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    return True


def _others_in_group(leader: int) -> list[int]:
    numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [number for number in numbers if number != leader and _group_of(number) == leader]


def _group_of(process: int) -> int:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return 0


def _require_success(process: ForkProcess, log: Path) -> None:
    if process.exitcode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise ScalerError(f"the command ended with status {process.exitcode}: {' '.join(last)}")


def _kept(out: Path) -> dict[str, Any]:
    path = out / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _added(before: dict[str, int] | None, found: dict[str, int]) -> dict[str, int]:
    return {name: number + (before or {}).get(name, 0) for name, number in found.items()}


if __name__ == "__main__":
    typer.run(study)
