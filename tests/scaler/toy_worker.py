"""A worker that trains for a moment: ``python -m tests.scaler.toy_worker FOLDER STORAGE TRIALS SECONDS``."""

import sys
import time
from pathlib import Path

from scaler.budget import Bound, Budget
from scaler.space.feasible_set import FeasibleSet
from scaler.trials.strategies import strategy
from scaler.trials.study import SearchStudy
from tests.scaler.toy import toy_space

SPACE = toy_space({"widths": [[1, 2, 4]] * 3, "kinds": [[1, 2]] * 3, "scale": [1, 2]})
SETS = [FeasibleSet(SPACE, Budget((("flops", Bound(40, 300)),), "flops=40..300"))]


def open_study(folder: Path, storage: str | None, trials: int) -> SearchStudy:
    return SearchStudy(folder, SPACE, SETS, strategy("uniform", trials), 0, storage)


def work(study: SearchStudy, trials: int, seconds: float) -> None:
    for asked in study.ask(trials):
        with study.training(asked):
            time.sleep(seconds)
        assert asked.arch in SETS[0]
        score = float(SPACE.cost(asked.arch).flops)
        study.tell(asked, score, {"number": asked.number, "score": score})


if __name__ == "__main__":
    place, url, number, wait = sys.argv[1:]
    print("ready", flush=True)
    work(open_study(Path(place), url or None, int(number)), int(number), float(wait))
