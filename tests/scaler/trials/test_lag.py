"""Several workers of one search make the same trials, whatever their speeds."""

import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from scaler.trials.candidate import Candidate
from scaler.trials.strategies import strategy
from scaler.trials.study import SearchStudy
from tests.scaler.toy_worker import SETS, SPACE

TRIALS, LAG = 12, 3
Found = dict[int, Any]


def open_study(folder: Path, lag: int | None) -> SearchStudy:
    return SearchStudy(folder, SPACE, SETS, strategy("surrogate", TRIALS), 0, pruner_name="median", lag=lag)


def work(study: SearchStudy, seconds: float) -> None:
    for asked in study.ask(TRIALS):
        time.sleep(seconds)
        score, pruned = trained(asked)
        study.tell(asked, score, {"point": SPACE.point(asked.arch), "score": score, "pruned": pruned}, pruned)


def trained(asked: Candidate) -> tuple[float, bool]:
    """The score at the end, or at the step where the pruner stops."""
    score = SPACE.cost(asked.arch).flops % 37
    for step in range(1, 5):
        asked.report(step, score + step)
        if asked.should_prune():
            return score + step, True
    return score + 5, False


def by_workers(folder: Path, lag: int | None, *seconds: float) -> Found:
    """The records by number of a search by a worker for each of ``seconds``, which it takes for a candidate."""
    open_study(folder, lag)
    workers = [Thread(target=lambda s=s: work(open_study(folder, lag), s)) for s in seconds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return dict(sorted(open_study(folder, lag).records()))


@pytest.mark.slow
def test_the_trials_of_several_workers_do_not_depend_on_their_speed(tmp_path: Path) -> None:
    alone = by_workers(tmp_path / "alone", LAG, 0)
    assert list(alone) == list(range(TRIALS))
    assert any(record["pruned"] for record in alone.values())
    assert by_workers(tmp_path / "together", LAG, 0.3, 0.0, 0.1) == alone
    assert by_workers(tmp_path / "sequential", 1, 0) != alone  # which learns from more


def test_a_candidate_waits_for_those_that_its_proposal_follows_from(tmp_path: Path) -> None:
    study = open_study(tmp_path, 2)
    asked = study.ask(TRIALS)
    first, second = next(asked), next(asked)
    assert not study._is_ready(TRIALS)
    study.tell(second, 1.0, {})
    assert not study._is_ready(TRIALS)
    study.tell(first, 1.0, {})
    assert study._is_ready(TRIALS)
