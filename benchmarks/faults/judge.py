"""Run a command line in this process, and judge what it did."""

import hashlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType

from experiments.cli import run

LIMIT_S = 30.0  # of processor time
_WAITING = 10  # times as long may pass, since other work may keep the machine busy
_BESIDE = (".db-wal", ".db-shm")  # which SQLite keeps beside a database


class HangError(BaseException):
    """A command took longer than the limit; no handler of ordinary errors catches this."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that has ended: its exit status, its output, and the exception that it let through, if any."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str
    crash: str


def run_words(words: Sequence[str], limit: float = 600.0) -> Ran:
    """Run ``scaler`` with ``words`` in this process, for at most ``limit`` seconds of processor time."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=kind) for kind in ("strict", "backslashreplace"))
    status, crash, argv, before = 1, "", sys.argv, Path.cwd()
    sys.argv = ["scaler", *words]
    try:
        with _errors_of_children() as beside, redirect_stdout(out), redirect_stderr(err), _limited(limit):
            status = run()
            out.flush()
    except HangError:
        crash = f"no end after {limit:g} s"
    except (Exception, SystemExit) as error:
        crash = _place_of(error)
    finally:
        sys.argv = argv
        os.chdir(before)
    return Ran(words=tuple(words), status=status, out=_text(out), err=_text(err) + beside.getvalue(), crash=crash)


def _text(stream: io.TextIOWrapper) -> str:
    if stream.closed:
        return ""
    buffer = stream.detach()
    return buffer.getvalue().decode() if isinstance(buffer, io.BytesIO) else ""


def _place_of(error: BaseException) -> str:
    """Return an exception in one line, with its innermost place in this project."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''} ({place})"


@contextmanager
def _errors_of_children() -> Iterator[io.StringIO]:
    """Collect what processes that are started while the block runs write to stderr; it is there once the block has ended."""
    found, before = io.StringIO(), os.dup(2)
    with TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield found
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            found.write(file.read().decode(errors="replace"))


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, _WAITING * seconds))
    before = {number: signal.signal(number, stop) for number, _, _ in timers}
    try:
        for _, timer, limit in timers:
            signal.setitimer(timer, limit)
        yield
    finally:
        for number, timer, _ in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def snapshot(folder: Path) -> dict[str, str]:
    """Return the digest of every file in ``folder`` by its path."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fault_of(ran: Ran, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what is wrong with a command that ran: a traceback, another status, no message, a half-written folder."""
    if ran.crash:
        return ran.crash
    if ran.status not in (0, 2):
        return f"exit status {ran.status}"
    if "Traceback (most recent call last)" in ran.err:
        return "prints a traceback"
    if any(name.endswith(".tmp") for name in after):
        return "leaves a temporary file"
    return _fault_of_refusal(ran, before, after) if ran.status == 2 else ""


def _fault_of_refusal(ran: Ran, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    lines = ran.err.strip().splitlines()
    if not any(line.startswith("scaler: ") or line.endswith("shows the form)") for line in lines):
        return "exit status 2 without a message"
    if changed := sorted(_changed(before, after)):
        return f"refused ({lines[-1]:.200}), but changed {', '.join(changed[:4])}"
    return ""


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that are new, gone or changed.

    A file that was set aside is none of these, nor is the unfinished training that the same command continues.
    """
    aside = {digest for name, digest in after.items() if ".damaged" in name}
    yield from (name for name, digest in before.items() if after.get(name) != digest and digest not in aside)
    new = (name for name in after if name not in before and not name.endswith(_BESIDE))
    yield from (name for name in new if ".damaged" not in name and "/training-" not in name)
