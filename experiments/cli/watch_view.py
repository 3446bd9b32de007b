"""The terminal view of a running search, in 80 columns."""

import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.commands.watch import watch
from experiments.options.search import WatchOptions
from experiments.report.snapshot import Snapshot
from scaler.units import format_quantity


def show(found: Snapshot, options: WatchOptions) -> None:
    """Print the state of a search; on a terminal, again and again until the search ends or the user interrupts."""
    console = Console(markup=False, emoji=False, highlight=False)
    if options.once or not sys.stdout.isatty():
        return console.print(view(found))
    return _follow(found, lambda: watch(options), options.every, console)


def _follow(found: Snapshot, read: Callable[[], Snapshot], every: float, console: Console) -> None:
    try:
        with Live(view(found), console=console, auto_refresh=False) as live:
            while not found.is_finished:
                time.sleep(every)
                found = read()
                live.update(view(found), refresh=True)
    except KeyboardInterrupt:
        pass


def view(found: Snapshot) -> RenderableType:
    """Return one frame."""
    return Group(*_head(found), *_best(found), *_training(found), *_failures(found), *_last(found))


def _head(found: Snapshot) -> Iterator[RenderableType]:
    yield Text.assemble((found.seed_model, "bold"), f" on {found.data}, {found.strategy}: {found.run}", overflow="fold")
    if found.wanted is not None:
        line = Table.grid(padding=(0, 1))
        alive = sum(one.is_alive for one in found.training)
        workers = f"{alive} worker{'s' * (alive != 1)} alive"
        bar = ProgressBar(total=found.wanted, completed=min(found.finished, found.wanted), width=20)
        line.add_row(f"{found.finished} of {found.wanted}", bar, _pace(found), workers)
        yield line
    yield Text()


def _pace(found: Snapshot) -> str:
    if found.per_hour is None:
        return "pace not known yet"
    left = f", {duration(found.seconds_left)} left" if found.seconds_left else ""
    return f"{found.per_hour:.3g} an hour{left}"


def duration(seconds: float) -> str:
    """Return a time as people read it: "45 s", "12 min", "3.2 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _best(found: Snapshot) -> Iterator[RenderableType]:
    if not found.best:
        yield Text("no candidate is scored yet", style="dim")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("best under", overflow="fold", max_width=22)
    for title in ("held-out %", "95 %", "uniform", "FLOPs", "params"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("candidate", no_wrap=True)
    for one in found.best:
        uniform = "" if one.uniform is None else f"{one.uniform:.2f}"
        costs = format_quantity(one.flops, 3), format_quantity(one.params, 3)
        table.add_row(one.budget, f"{one.top1:.2f}", f"{one.low:.0f}-{one.high:.0f}", uniform, *costs, one.name)
    yield table


def _training(found: Snapshot) -> Iterator[RenderableType]:
    if found.training:
        yield Text("\nin training", style="bold")
    for one in found.training:
        state = "" if one.is_alive else ", which is gone: another one takes it up"
        yield Text(f"trial-{one.number:04d} for {duration(one.seconds)} by {one.worker or 'a new worker'}{state}")


def _failures(found: Snapshot) -> Iterator[RenderableType]:
    if found.failures:
        yield Text("\nlast failures", style="bold")
    for failure in found.failures:
        yield Text(failure, style="red")


def _last(found: Snapshot) -> Iterator[RenderableType]:
    if found.remark:
        yield Text(f"\n{found.remark}", style="dim")
    if found.is_finished:
        yield Text(f"\nfinished: open {found.run}/frontier/report.html", style="green")
