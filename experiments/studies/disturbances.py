"""Commands on a full disk, in a read-only folder, beside another one in the same folder, and under a clock that jumps.

Each is refused in one line or goes on, and afterwards the same command ends with the result of one that nothing disturbed. A
small tmpfs stands for the disk, which takes root; libfaketime (Debian's package of that name) makes the clock jump. Without
these the parts that need them are left out, and the results lack them.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.runtime.console import print_json, say
from experiments.studies.kills import NAME, run_whole, start
from experiments.studies.small_jobs import Job, make_jobs
from scaler.files import write_json

_SHARES = (0.1, 0.5, 0.9)  # of the room that a command needs
_ROOM = "512m"
_FULL = ("No space left on device", "database or disk is full", "disk I/O error")
_JUMPS = ("+2h", "-1h", "+0")
_FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def study(
    out: Annotated[Path, typer.Option("--out")],
    only: Annotated[list[str] | None, typer.Option("--only", help="A command; may be repeated.")] = None,
) -> None:
    """Disturb each command in every way, compare with an undisturbed one, and write ``out``/results.json."""
    ways: dict[str, Callable[[Job, Path], dict[str, int]]] = {"two processes": _two_at_once}
    ways |= {"full disk": _full_disk, "read-only folder": _read_only} if os.geteuid() == 0 else {}
    ways |= {"clock that jumps": _jumping_clock} if _FAKETIME else {}
    found: dict[str, Any] = {}
    for job in (job for job in make_jobs(out / "inputs", run_whole) if not only or job.name in only):
        place = out / job.name
        run_whole(job.command(place / "whole" / NAME), place / "whole.log")
        expected = job.result(place / "whole" / NAME)
        for name, disturb in ways.items():
            shutil.rmtree(place / NAME, ignore_errors=True)
            counts = disturb(job, place)
            run_whole(job.command(place / NAME), place / "after.log")
            counts["different"] = int(job.result(place / NAME) != expected)
            found.setdefault(name, {})[job.name] = counts
            say(f"{job.name}, {name}: {counts}")
            _unmount(place / NAME)
    write_json(out / "results.json", found)
    print_json(found)


def _two_at_once(job: Job, place: Path) -> dict[str, int]:
    """Start the command twice at once: one ends, and the other one ends or is told who works there."""
    logs = [place / f"twin-{number}.log" for number in (0, 1)]
    twins = [start(job.command(place / NAME), log) for log in logs]
    for twin in twins:
        twin.join()
    told = [log for twin, log in zip(twins, logs, strict=True) if twin.exitcode == 2 and "is in use by process" in _last(log)]
    return {"ended": sum(twin.exitcode == 0 for twin in twins), "told": len(told)}


def _full_disk(job: Job, place: Path) -> dict[str, int]:
    """Run on disks that are too small, then on one that has room."""
    needed = sum(path.stat().st_size for path in (place / "whole").rglob("*") if path.is_file())
    counts = {"told": 0, "other": 0, "ended": 0}
    for share in _SHARES:
        _unmount(place / NAME)
        with _mounted(place / NAME, f"size={max(4096, int(share * needed))}"):
            process = start(job.command(place / NAME), log := place / f"full-{share}.log")
            process.join()
        told = process.exitcode == 2 and any(reason in _last(log) for reason in _FULL)
        counts["ended" if process.exitcode == 0 else "told" if told else "other"] += 1
    return counts


def _read_only(job: Job, place: Path) -> dict[str, int]:
    with _mounted(place / NAME, f"ro,size={_ROOM}"):
        process = start(job.command(place / NAME), log := place / "read-only.log")
        process.join()
    return {"told": int(process.exitcode == 2 and "Read-only file system" in _last(log))}


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a tmpfs at ``folder``; when the block ends it has room and can be written, and stays."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    yield
    subprocess.run(["mount", "-o", f"remount,rw,size={_ROOM}", str(folder)], check=True)


def _unmount(folder: Path) -> None:
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def _jumping_clock(job: Job, place: Path) -> dict[str, int]:
    """Run while the clock jumps every two seconds, of the command and of its workers."""
    clock = place / "clock"
    clock.write_text("+0", encoding="ascii")
    faked = {"LD_PRELOAD": str(_FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    environment = os.environ | faked | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    jumps = 0
    with (place / "clock.log").open("ab") as log:
        # libfaketime stops processes that load images, also where the clock does not jump.
        words = [sys.executable, "-m", "scaler.launch", *job.command(place / NAME), "--loader-workers", "0"]
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(2)
            clock.write_text(_JUMPS[jumps % len(_JUMPS)], encoding="ascii")
            jumps += 1
    return {"jumps": jumps, "ended": int(process.returncode == 0)}


def _last(log: Path) -> str:
    return "".join(log.read_text(encoding="utf-8").splitlines()[-1:])


if __name__ == "__main__":
    typer.run(study)
