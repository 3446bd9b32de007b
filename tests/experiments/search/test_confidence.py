"""How sure the choice among a budget's trials is, and the finalists that the noise asks for."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.search import finalists
from experiments.search.confidence import Confidence
from experiments.search.explanation import contenders
from experiments.search.extent import Extent
from scaler.results.ledger import Record
from scaler.results.score import Metrics, Score
from search_spaces.problem import spaces
from tests.scaler.results.records import changed

SPACE, (FEASIBLE,) = spaces("tiny_vit_1m_32", ["flops=2M"])


def trials(tops: list[float], images: int = 1000) -> list[Record]:
    """Trials of distinct members with these scores, in percent."""
    archs = FEASIBLE.sample(len(tops), 0)
    return [_trial(number, arch, top1, images) for number, (arch, top1) in enumerate(zip(archs, tops, strict=True))]


def _trial(number: int, arch: Any, top1: float, images: int) -> Record:
    score = Score(metrics=Metrics(top1=top1, top5=99.0, loss=1.0, images=images), split="holdout", epochs=6, seconds=1.0)
    return Record(
        role="trial", trial=number, budget="flops=2M", name=f"trial-{number:04d}", family=arch.family, resolution=arch.resolution,
        score=score, seed=0, recipe="proxy", data="made up", arch=json.dumps(arch.to_dict()), **SPACE.cost(arch)._asdict(),
    )  # fmt: skip


def test_a_clear_winner_needs_no_finalists_and_a_close_race_does() -> None:
    clear = Confidence(trials([90.0, *[60.0 + i / 10 for i in range(31)]], images=10_000))
    close = Confidence(trials([70.0 - i / 20 for i in range(32)], images=300))
    assert close.finalists(32) == 4
    assert close.finalists(15) == 0  # an eighth of the trials is one, which decides nothing
    assert clear.probability_best()[0] > 3 * max(close.probability_best().values())
    assert sum(close.probability_best().values()) == pytest.approx(1)


def test_repeated_trainings_decide_and_are_weighed_with_what_the_others_say() -> None:
    rows = trials([75.0, 74.0, 60.0, 61.0, 62.0, 63.0])
    finals = [changed(rows[net], role="finalist", seed=seed, top1=top1) for net, tops in ((0, (70, 71)), (1, (76, 77)))
              for seed, top1 in enumerate(tops, 1)]  # fmt: skip
    ranked = contenders(rows, finals)
    assert [one.record.trial for one in ranked] == [1, 0, 5, 4, 3, 2]
    assert ranked[0].probability > 0.8
    assert Confidence(rows, finals).is_sure(rows[:2]) == (Confidence(rows, finals).probability_best(rows[:2])[1] >= 0.9)


class Recorder:
    """A search that has no folder: its backend gives each finalist its trial's score, and notes what it trained."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.trained: list[tuple[int, int]] = []
        self.ledger: list[Record] = []
        settings = {"finalists": None, "seeds": 2, "trials": 32, "score": "training", **options}
        self.context: Any = SimpleNamespace(
            options=SimpleNamespace(**settings), sets=[FEASIBLE], ledger=self.ledger, say=print, extent=Extent(trials=32),
            final_backend=settings.get("final_recipe"), out=Path(),
        )  # fmt: skip
        monkeypatch.setattr(finalists, "_trained", self._train)

    def _train(self, _: Any, row: Record, seed: int) -> Record:
        self.trained.append((row.trial, seed))
        return changed(row, role="finalist", seed=seed)


@pytest.mark.parametrize(("options", "expected"), [
    ({"finalists": 2}, [(0, 1), (1, 1), (0, 2), (1, 2)]),
    ({"finalists": 0}, []),
    ({"score": "elastic"}, []),
])  # fmt: skip
def test_finalists_are_the_best_trials_from_other_seeds(
    options: dict[str, Any], expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, rows = Recorder(monkeypatch, **options), trials([70.0 - i / 20 for i in range(32)])
    finalists.train_finalists(search.context, FEASIBLE, rows)
    assert search.trained == expected
    finalists.train_finalists(search.context, FEASIBLE, rows)
    assert search.trained == expected  # the ledger has them


def test_with_a_recipe_of_their_own_half_of_the_finalists_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    search, rows = Recorder(monkeypatch, finalists=6, seeds=1, final_recipe="small"), trials([70.0 - i / 20 for i in range(32)])
    finalists.train_finalists(search.context, FEASIBLE, rows)
    chosen = [trial for trial, _ in search.trained]
    assert chosen[:3] == [row.trial for row in Confidence(rows).teachers(3)]
    assert len(set(chosen)) == 6
    assert {rows[trial].resolution for trial in chosen[:3]} == {24, 28, 32}
