"""Worker processes of a search on this machine. Each trains one candidate after another; its death loses none."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from experiments.options.search import STORAGE_VARIABLE, SearchOptions
from experiments.runtime.parent import environment_of_child
from experiments.runtime.shares import Share
from experiments.search.extent import Extent
from experiments.search.shares import SearchShares, shares_of
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.study import SearchStudy

_POLL_S = 0.5
_DEATHS = 3  # per worker, without a finished candidate in between: something other than chance kills them

Sync = Callable[[SearchStudy], object]
TrainAll = Callable[[SearchStudy], None]


class Workers:
    """The workers of one search; a dead one is replaced and its candidate queued again.

    `start` starts them while the search is prepared, as a process takes seconds to load PyTorch. They wait for `train`. At the
    end of a ``with`` block they end.
    """

    def __init__(self, options: SearchOptions) -> None:
        self.options, self.shares = options, SearchShares(workers=[], lag=None)
        self.command, self.environment = _command(options), environment_of_child()
        if options.storage:  # its URL may hold a password, and every user of a machine sees the command lines of its processes
            self.environment[STORAGE_VARIABLE] = options.storage
        self.running: list[tuple[Share, subprocess.Popen[bytes]]] = []
        self.deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def start(self, sets: Sequence[FeasibleSet], batch_size: int) -> SearchShares:
        """Return the shares of the search, see `shares_of`; the first call starts the workers, if there are several."""
        if not self.shares.workers:
            self.shares = shares_of(self.options, sets, batch_size)
            if len(self.shares.workers) > 1 and not self.options.as_worker:
                self._start(self.shares.workers)
        return self.shares

    def train_all(self, extent: Extent, sync: Sync) -> TrainAll | None:
        """Return a function that has the workers train until the ``extent`` of a study is reached; None if there are none.

        Args:
            sync: called twice a second; it copies new records from the study to the ledger.
        """
        return (lambda study: self._train(study, extent, sync)) if self.running else None

    def _train(self, study: SearchStudy, extent: Extent, sync: Sync) -> None:
        """Wait until all workers have ended.

        Raises:
            ScalerError: if workers refuse to start, or die again and again without finishing a candidate.
        """
        finished = study.finished()
        for _, worker in self.running:
            _release(worker)
        while self.running:
            time.sleep(_POLL_S)
            finished = self._replace_dead(study, extent, finished)
            sync(study)

    def _start(self, shares: Sequence[Share]) -> None:
        for share in shares:
            environment = self.environment | share.environment
            self.running.append((share, subprocess.Popen(self.command, env=environment, stdin=subprocess.PIPE)))

    def _replace_dead(self, study: SearchStudy, extent: Extent, before: int) -> int:
        """Replace ended workers while candidates are left, and return the number of finished candidates."""
        dead = [(share, worker) for share, worker in self.running if worker.poll() is not None]
        if not dead:
            return before
        self.running = [pair for pair in self.running if pair not in dead]
        for _, worker in dead:
            study.abandon(worker.pid)
        lost = [(share, worker) for share, worker in dead if worker.returncode or extent.hours is None]
        if not lost:  # they ended as the time was up
            return before
        finished = study.finished()
        self.deaths = self.deaths + 1 if finished == before else 1
        if any(worker.returncode == 2 for _, worker in dead) or self.deaths > _DEATHS * len(self.shares.workers):
            raise ScalerError("the workers end before the search does: their messages above say why")
        if extent.is_open(study):
            self._start([share for share, _ in lost])
            for _, worker in self.running[-len(lost) :]:
                _release(worker)
        return finished

    def _stop(self) -> None:
        for _, worker in self.running:
            worker.terminate()
        for _, worker in self.running:
            worker.wait()


def _command(options: SearchOptions) -> list[str]:
    words = replace(options, as_worker=True, workers=1, storage=None).words()
    return [sys.executable, "-m", "scaler.launch", "search", *words]


def _release(worker: "subprocess.Popen[bytes]") -> None:
    """End the worker's `wait_for_parent`."""
    if worker.stdin is not None:
        with suppress(BrokenPipeError):  # of a worker that has ended
            worker.stdin.write(b"\n")
            worker.stdin.flush()
