"""Progress of long work on stderr: a bar with rate and time left on a terminal, lines elsewhere.

The first line comes after three seconds if much is left, so that the time is known early; the others every 20 seconds.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.runtime.console import is_main_process

_LINE_EVERY_S, _FIRST_LINE_S = 20.0, 3.0


class Meter:
    """Shows how many of ``total`` units of work are done."""

    def __init__(self, title: str, total: int, done: int, unit: str) -> None:
        self.title, self.total, self.done, self.unit = title, total, done, unit
        self._done_before, self._started_at = done, time.monotonic()
        self._printed_at = self._started_at
        self._bar = _bar() if sys.stderr.isatty() and is_main_process() else None
        self._task = self._bar.add_task(title, total=total, completed=done, rate="", note="") if self._bar else None

    def advance(self, count: int, note: str = "") -> None:
        """Count ``count`` more units as done and show ``note`` beside them."""
        self.done += count
        if not is_main_process():
            return
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=count, rate=f"{self._rate():.0f} {self.unit}/s", note=note)
        elif self._is_line_due(left := (self.total - self.done) / max(self._rate(), 1e-9)):
            self._printed_at = time.monotonic()
            line = f"{self.title}: {self.done}/{self.total} {self.unit}, {self._rate():.0f}/s, {left:.0f} s left  {note}"
            print(line, file=sys.stderr, flush=True)

    def _is_line_due(self, left: float) -> bool:
        """Return True if a line is due, given the seconds ``left``."""
        if self._printed_at == self._started_at:
            return time.monotonic() - self._started_at > (_FIRST_LINE_S if left > _LINE_EVERY_S else _LINE_EVERY_S)
        return time.monotonic() - self._printed_at > _LINE_EVERY_S

    def _rate(self) -> float:
        return (self.done - self._done_before) / max(time.monotonic() - self._started_at, 1e-9)


@contextmanager
def meter(title: str, total: int, done: int = 0, unit: str = "images") -> Iterator[Meter]:
    """Yield a `Meter`; its bar disappears at the end."""
    found = Meter(title, total, done, unit)
    if found._bar is None:
        yield found
    else:
        with found._bar:
            yield found


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=Console(stderr=True, emoji=False), transient=True)
