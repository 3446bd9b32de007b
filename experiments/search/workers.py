"""Worker processes of a search on this machine. Each trains one candidate after another; its death loses none."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from experiments.runtime.parent import environment_of_child
from scaler.errors import ScalerError
from scaler.trials.study import SearchStudy

_POLL_S = 0.5
_DEATHS = 3  # per worker, without a finished candidate in between: something other than chance kills them

TrainAll = Callable[[SearchStudy], None]


def spawn_workers(
    words: Sequence[str],
    workers: int,
    trials: int,
    sync: Callable[[SearchStudy], object],
    variables: Mapping[str, str] | None = None,
) -> TrainAll:
    """Return a function that runs ``workers`` processes until ``trials`` candidates of a study are finished.

    Args:
        words: the command line of a worker, without the interpreter.
        sync: called twice a second; it copies new records from the study to the ledger.
        variables: added to the workers' environment.
    """
    return lambda study: _Pool(words, workers, trials, study, variables or {}).run(sync)


class _Pool:
    """The running workers of one study; a dead one is replaced and its candidate queued again."""

    def __init__(self, words: Sequence[str], workers: int, trials: int, study: SearchStudy, variables: Mapping[str, str]) -> None:
        self.command = [sys.executable, "-m", "scaler.launch", *words]
        self.workers, self.trials, self.study = workers, trials, study
        self.environment = environment_of_child() | dict(variables)
        self.running: list[subprocess.Popen[bytes]] = []
        self.deaths, self.finished = 0, study.finished()

    def run(self, sync: Callable[[SearchStudy], object]) -> None:
        """Run until all workers have ended.

        Raises:
            ScalerError: if workers refuse to start, or die again and again without finishing a candidate.
        """
        try:
            self._start(self.workers)
            while self.running:
                time.sleep(_POLL_S)
                self._replace_dead()
                sync(self.study)
        finally:
            self._stop()

    def _start(self, number: int) -> None:
        self.running += [subprocess.Popen(self.command, env=self.environment) for _ in range(number)]

    def _replace_dead(self) -> None:
        dead = [worker for worker in self.running if worker.poll() is not None]
        if not dead:
            return
        self.running = [worker for worker in self.running if worker not in dead]
        for worker in dead:
            self.study.abandon(worker.pid)
        finished = self.study.finished()
        self.deaths = self.deaths + 1 if finished == self.finished else 1
        self.finished = finished
        if any(worker.returncode == 2 for worker in dead) or self.deaths > _DEATHS * self.workers:
            raise ScalerError("the workers end before the search does: their messages above say why")
        if finished < self.trials:
            self._start(len(dead))

    def _stop(self) -> None:
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            worker.wait()
