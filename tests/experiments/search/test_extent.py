"""The end of a search by hours: what fits is trained, and the same command goes on where it may."""

from pathlib import Path
from typing import Any

import pytest

from experiments.commands import search as command
from experiments.options.search import DEFAULT_TRIALS, SearchOptions
from experiments.search import extent
from experiments.search.extent import Extent
from scaler.errors import ScalerError
from tests.experiments.search.test_outlook import said
from tests.experiments.search.test_pipeline import ClosedForm, rows, search


class Study:
    """A study whose trials took these seconds."""

    def __init__(self, *seconds: float, running: int = 0) -> None:
        self.seconds, self.in_training = seconds, running

    def finished(self) -> int:
        return len(self.seconds)

    def running(self) -> int:
        return self.in_training

    def records(self) -> list[tuple[int, dict[str, float]]]:
        return [(number, {"seconds": seconds}) for number, seconds in enumerate(self.seconds)]


@pytest.mark.parametrize(
    ("study", "workers", "is_open"),
    [
        (Study(), 1, True),
        (Study(900, 900), 1, True),  # a third ends after 2,700 s, three quarters of the hour
        (Study(900, 901), 1, False),
        (Study(900, 900, 900), 1, False),
        (Study(900, 900, 900), 2, True),
        (Study(900, 900, 900, running=2), 2, True),
        (Study(900, 900, 900, running=3), 2, False),
        (Study(*[1] * 50), 1, False),
    ],
)
def test_a_trial_starts_if_it_fits_by_the_mean_of_those_before(study: Any, workers: int, is_open: bool) -> None:
    assert Extent(trials=50, hours=1, workers=workers).is_open(study) == is_open
    assert Extent(trials=50).is_open(study) == (study.finished() < 50)


def test_finalists_fit_into_the_rest_of_the_hours() -> None:
    found = Extent(trials=50, hours=1, workers=2)
    assert found.allows([3000, 2000], [500], 600)
    assert not found.allows([3000, 2000], [500], 601)
    assert Extent(trials=50).allows([1e9], [], 1e9)


def test_hours_take_the_place_of_the_number_of_trials() -> None:
    request: dict[str, Any] = {"seed_model": "tiny_vit_1m_32", "budget": "flops=1M", "data": "digits", "out": "x"}
    assert SearchOptions(**request).most_trials == DEFAULT_TRIALS
    assert SearchOptions(**request, hours=2).most_trials > 1000
    assert SearchOptions(**request, hours=2, trials=7).most_trials == 7
    with pytest.raises(ScalerError, match="--hours 2: contraction plans its steps over a number of trials: add --trials"):
        command.search(SearchOptions(**request, hours=2, strategy="contraction"))


def test_the_outlook_says_how_many_candidates_fit(tmp_path: Path) -> None:
    line = "about 45 candidates fit into --hours 1, by updates measured now"
    assert said(tmp_path, "flops=900k..1M", hours=1, trials=None) == [line]


@pytest.mark.slow
def test_a_search_ends_with_its_hours_and_goes_on_with_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extent, "_TRIALS", 0.1)  # of 3.6 s, and a trial takes 0.1 s
    chosen, _ = search(tmp_path, ClosedForm(), trials=None, hours=0.001)
    assert len(chosen) == len(rows(tmp_path)) == 3
    again = ClosedForm()
    search(tmp_path, again, trials=None, hours=0.0015)
    assert again.scored == ["trial-0003", "trial-0004"]
