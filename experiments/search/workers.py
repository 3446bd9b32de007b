"""Worker processes of a search on this machine: each trains one candidate after the other and may die without harm."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from scaler.errors import ScalerError
from scaler.trials.study import SearchStudy

_POLL_S = 0.5
_DEATHS = 3  # in a row without a finished candidate in between: something other than chance kills them


TrainAll = Callable[[SearchStudy], None]


def spawn_workers(words: Sequence[str], workers: int, trials: int, kept: Callable[[SearchStudy], object]) -> TrainAll:
    """What has ``workers`` processes train until the study is finished.

    Args:
        words: the command that starts one, without the interpreter.
        kept: called now and then, to keep what was told.
    """

    def train_all(study: SearchStudy) -> None:
        command = [sys.executable, "-m", "scaler.launch", *words]
        running = [subprocess.Popen(command) for _ in range(workers)]
        deaths, finished = 0, study.finished()
        try:
            while running:
                time.sleep(_POLL_S)
                ended = [worker for worker in running if worker.poll() is not None]
                running = [worker for worker in running if worker.poll() is None]
                for worker in ended:
                    study.abandon(worker.pid)
                if ended:
                    deaths, finished = (deaths + 1 if study.finished() == finished else 1), study.finished()
                    if any(worker.returncode == 2 for worker in ended) or deaths > _DEATHS * workers:
                        raise ScalerError("the workers end before the search does: their messages above say why")
                    if finished < trials:
                        running += [subprocess.Popen(command) for _ in ended]
                kept(study)
        finally:
            for worker in running:
                worker.terminate()
            for worker in running:
                worker.wait()

    return train_all
