"""Worker processes of a search on this machine. Each trains one candidate after another; its death loses none."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from experiments.runtime.parent import environment_of_child
from experiments.runtime.shares import Share
from experiments.search.extent import Extent
from scaler.errors import ScalerError
from scaler.trials.study import SearchStudy

_POLL_S = 0.5
_DEATHS = 3  # per worker, without a finished candidate in between: something other than chance kills them

TrainAll = Callable[[SearchStudy], None]


def spawn_workers(
    words: Sequence[str],
    shares: Sequence[Share],
    extent: Extent,
    sync: Callable[[SearchStudy], object],
    variables: Mapping[str, str] | None = None,
) -> TrainAll:
    """Return a function that runs a process with each of ``shares`` until the ``extent`` of a study is reached.

    Args:
        words: the command line of a worker, without the interpreter.
        sync: called twice a second; it copies new records from the study to the ledger.
        variables: added to the workers' environment.
    """
    return lambda study: _Pool(words, shares, extent, study, variables or {}).run(sync)


class _Pool:
    """The running workers of one study; a dead one is replaced and its candidate queued again."""

    def __init__(
        self, words: Sequence[str], shares: Sequence[Share], extent: Extent, study: SearchStudy, variables: Mapping[str, str]
    ) -> None:
        self.command = [sys.executable, "-m", "scaler.launch", *words]
        self.shares, self.extent, self.study = shares, extent, study
        self.environment = environment_of_child() | dict(variables)
        self.running: list[tuple[Share, subprocess.Popen[bytes]]] = []
        self.deaths, self.finished = 0, study.finished()

    def run(self, sync: Callable[[SearchStudy], object]) -> None:
        """Run until all workers have ended.

        Raises:
            ScalerError: if workers refuse to start, or die again and again without finishing a candidate.
        """
        try:
            self._start(self.shares)
            while self.running:
                time.sleep(_POLL_S)
                self._replace_dead()
                sync(self.study)
        finally:
            self._stop()

    def _start(self, shares: Sequence[Share]) -> None:
        for share in shares:
            environment = self.environment | share.environment
            self.running.append((share, subprocess.Popen(self.command, env=environment)))

    def _replace_dead(self) -> None:
        dead = [(share, worker) for share, worker in self.running if worker.poll() is not None]
        if not dead:
            return
        self.running = [pair for pair in self.running if pair not in dead]
        for _, worker in dead:
            self.study.abandon(worker.pid)
        lost = [(share, worker) for share, worker in dead if worker.returncode or self.extent.hours is None]
        if not lost:  # they ended as the time was up
            return
        finished = self.study.finished()
        self.deaths = self.deaths + 1 if finished == self.finished else 1
        self.finished = finished
        if any(worker.returncode == 2 for _, worker in dead) or self.deaths > _DEATHS * len(self.shares):
            raise ScalerError("the workers end before the search does: their messages above say why")
        if self.extent.is_open(self.study):
            self._start([share for share, _ in lost])

    def _stop(self) -> None:
        for _, worker in self.running:
            worker.terminate()
        for _, worker in self.running:
            worker.wait()
