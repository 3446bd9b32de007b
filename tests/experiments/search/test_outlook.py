"""The lines before a search's first trial."""

from pathlib import Path
from typing import Any

import pytest

from experiments.options.search import SearchOptions
from experiments.search.outlook import say_outlook
from experiments.search.run_folder import SearchContext
from search_spaces.problem import spaces
from tests.experiments.search.test_pipeline import ClosedForm

TIME = "candidates to train: {}about {}, by updates measured now"


class Finished:
    def __init__(self, number: int) -> None:
        self.number = number

    def finished(self) -> int:
        return self.number

    def records(self) -> list[Any]:
        return []


def said(out: Path, budget: str, finished: int = 0, trials: int | None = 9, **options: Any) -> list[str]:
    space, sets = spaces("tiny_vit_1m_32", [budget])
    request: dict[str, Any] = {"workers": 1, "data": "made up", "trials": trials, "out": out, **options}
    asked = SearchOptions(seed_model="tiny_vit_1m_32", budget=budget, **request)
    lines: list[str] = []
    context = SearchContext(options=asked, resolved={}, space=space, sets=sets, backend=ClosedForm(), say=lines.append)
    study: Any = Finished(finished)
    say_outlook(context, study)
    return lines


def test_a_band_leaves_the_time_alone_to_be_said(tmp_path: Path) -> None:
    assert said(tmp_path, "flops=900k..1M") == ["9 " + TIME.format("", "9 min")]
    assert said(tmp_path, "flops=900k..1M", 7) == ["2 " + TIME.format("", "2 min")]
    assert said(tmp_path, "flops=900k..1M", 9) == []
    assert said(tmp_path, "flops=900k..1M", pruner="halving") == ["9 " + TIME.format("at most ", "9 min")]
    assert said(tmp_path, "flops=900k..1M", workers=None) == ["9 " + TIME.format("", "9 min in one process")]


def test_a_wide_budget_and_a_strategy_that_never_proposes_are_said_once(tmp_path: Path) -> None:
    wide = "flops=1M: candidates have 252k flops and more; a band, such as flops=900k..1M, keeps them near the bound"
    idle = "surrogate draws uniformly until 8 trials have a score: raise --trials for it to propose candidates"
    assert said(tmp_path, "flops=1M", trials=8, strategy="surrogate")[:2] == [wide, idle]
    assert said(tmp_path, "flops=1M", trials=9, strategy="surrogate")[:-1] == [wide]
    assert len(said(tmp_path, "flops=1M", 3, trials=8, strategy="surrogate")) == 1


@pytest.mark.parametrize("budget", ["resolution=28", "flops=60%..80%", "flops=100M"])
def test_other_budgets_are_not_called_wide(budget: str, tmp_path: Path) -> None:
    assert len(said(tmp_path, budget)) == 1
