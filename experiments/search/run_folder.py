"""What a search was asked for, what every process of it needs, and what its folder is called inside."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.scoring.score import Backend
from experiments.search.request import Request
from experiments.search.trial_rows import TrialRows
from scaler.errors import ScalerError
from scaler.files import write_json
from scaler.results.ledger import Ledger
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.strategy import strategy
from scaler.trials.study import SearchStudy

LEDGER, REQUEST, RESULT = "ledger.csv", "run.json", "result.json"
TRIALS, FINALS, VARIANTS = "trials", "finalists", "variants"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SearchContext:
    """What every process of a search needs."""

    request: Request
    out: Path
    space: SearchSpace
    sets: Sequence[FeasibleSet]
    backend: Backend
    say: Say

    @cached_property
    def ledger(self) -> Ledger:
        """The search's ledger, which this process alone writes."""
        return Ledger(self.out / LEDGER)

    @cached_property
    def trial_rows(self) -> TrialRows:
        """The rows of its trials."""
        return TrialRows(self.ledger)

    def study(self) -> SearchStudy:
        asked = self.request
        chooser = strategy(asked.strategy, asked.trials)
        return SearchStudy(self.out, self.space, self.sets, chooser, asked.draw_seed, asked.storage, asked.halving)


def open_run(request: Request, out: Path, sets: Sequence[FeasibleSet]) -> None:
    """Write ``run.json``, or check that the one in ``out`` asks for the same.

    Raises:
        ScalerError: it asks for something else; the message names the first difference.
    """
    path = out / REQUEST
    if path.exists():
        check_request(request, out)
    elif (out / LEDGER).exists():
        raise ScalerError(f"{out} holds results but no {REQUEST}: choose another --out")
    bounds = [{"text": s.budget.text, "bounds": _bounds(s)} for s in sets]
    write_json(path, _plain(request) | {"bounds": bounds})


def check_request(request: Request, out: Path) -> None:
    asked, before = _plain(request), json.loads((out / REQUEST).read_text(encoding="utf-8"))
    for key in asked.keys() - {"trials"}:
        if before.get(key) != asked[key]:
            raise ScalerError(
                f"{out} holds a search with {key} = {before.get(key)}, not {asked[key]}: choose another --out to start anew"
            )


def _plain(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(request)))
    return found


def _bounds(feasible: FeasibleSet) -> dict[str, list[float | None]]:
    ends = {key: [bound.low or None, bound.high] for key, bound in feasible.budget.bounds}
    return {key: [None if end == float("inf") else end for end in pair] for key, pair in ends.items()}
