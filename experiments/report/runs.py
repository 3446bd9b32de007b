"""The folders of finished or running searches and trainings, read for the frontier."""

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from scaler.budget import Bound, Budget
from scaler.errors import DamagedFileError, ScalerError
from scaler.json_files import read_sealed
from scaler.results.frontier import TRAINED, FrontierInfo
from scaler.results.ledger import Ledger, Record

_REMEDY = "restore it or leave the run out"
INNER = ("trained", "baselines")  # folders in a search's one that hold models trained in full
_METRICS = "metrics.csv"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The contents of one run's folder.

    Attributes:
        records: the rows of ``ledger.csv``.
        request: ``run.json``, the request of a search; empty for a run of `scaler train`.
        budgets: the budgets in ``run.json``, with the bounds that their texts came to.
        result: ``result.json``, the choices of a search and the reasons for them; empty until it has chosen.
        losses: (epoch, mean training loss) of ``metrics.csv``, which a training leaves.
    """

    path: Path
    records: tuple[Record, ...]
    request: Mapping[str, Any] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    losses: tuple[tuple[float, float], ...] = ()

    @property
    def is_search(self) -> bool:
        """True for the folder of a search, False for that of one training."""
        return bool(self.request)


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read each folder once, and after a search's the models in it that were trained in full.

    Raises:
        ScalerError: as `read_run`.
    """
    inner = [ledger.parent for path in paths for name in INNER for ledger in sorted((path / name).glob("*/ledger.csv"))]
    given = {path.resolve() for path in paths}
    return [read_run(path) for path in dict.fromkeys([*paths, *(path for path in inner if path.resolve() not in given)])]


def read_run(path: Path, *, may_be_empty: bool = False) -> Run:
    """Read the folder of a run.

    Args:
        path: the folder.
        may_be_empty: a search without a finished trial is read too.

    Raises:
        ScalerError: if the folder is no run, a file in it is damaged, or its ledger is empty.
    """
    ledger = path / "ledger.csv"
    may_be_empty = may_be_empty and (path / "run.json").is_file()
    if not ledger.is_file() and not may_be_empty:
        raise ScalerError(f"{path} is not a run: it holds no ledger.csv; give a folder that `scaler search --out` wrote")
    request = _read_json(path / "run.json")
    result = _read_json(path / "result.json") if request else {}  # a search's; `scaler shrink` keeps another
    try:
        budgets = tuple(_read_budget(entry) for entry in request.get("bounds", ()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(path / "run.json", f"bounds: {error}", _REMEDY) from error
    records = tuple(Ledger(ledger))
    _require_rows(ledger, len(records), result)
    run = Run(path=path, records=records, request=request, budgets=budgets, result=result, losses=_losses(path / _METRICS))
    if not run.records and not may_be_empty:
        raise ScalerError(f"{path} has an empty ledger: no evaluation has finished; run the same `scaler search` again to go on")
    return run


def named_apart(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with a name of its own for each model trained in full.

    Models of equal names, as a chosen variant and its baseline, take the name of their run's folder, or else its path.
    """
    for name_of in (lambda run: run.path.resolve().name, lambda run: str(run.path)):
        uses = Counter((record.name, run.path) for run in runs for record in run.records if record.role in TRAINED)
        alike = {name for name, number in Counter(name for name, _ in uses).items() if number > 1}
        runs = [_renamed(run, alike, name_of(run)) for run in runs]
    return list(runs)


def _renamed(run: Run, alike: Collection[str], name: str) -> Run:
    """Return ``run`` with ``name`` for its trained models whose names are in ``alike``."""
    records = (replace(r, name=name) if r.role in TRAINED and r.name in alike else r for r in run.records)
    return replace(run, records=tuple(records))


def frontier_info(runs: Sequence[Run]) -> FrontierInfo:
    """Return the records and budgets of all ``runs`` together."""
    return FrontierInfo(
        records=tuple(record for run in runs for record in run.records),
        budgets=_distinct(budget for run in runs for budget in run.budgets),
    )


def budget_of(record: Record, run: Run, runs: Sequence[Run]) -> Budget | None:
    """Return the budget of a record of ``run``, or None if its text names no budget of ``runs`` or an ambiguous one.

    Equal texts can be different budgets: the bounds of "flops=60%" depend on the seed. So the record's own run comes first. A
    run of `scaler train` has no budgets; its record takes the only budget of the other runs that has its text or, of several,
    the only one whose bounds it meets.
    """
    own = [budget for budget in run.budgets if budget.text == record.budget]
    named = own or _distinct(budget for other in runs for budget in other.budgets if budget.text == record.budget)
    if len(named) > 1:
        named = [budget for budget in named if budget.admits(record.quantities)]
    return named[0] if len(named) == 1 else None


def _distinct(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """Return the first budget of each set of bounds: "flops=1M" and "flops=1000k" are one budget."""
    first: dict[tuple[tuple[str, Bound], ...], Budget] = {}
    for budget in budgets:
        first.setdefault(budget.bounds, budget)
    return tuple(first.values())


def _require_rows(ledger: Path, number: int, result: Mapping[str, Any]) -> None:
    """Check that a ledger has the rows that its search counted when it made its choices: one cut at a line's end has fewer.

    Raises:
        DamagedFileError: if rows are missing.
    """
    counted = result.get("rows", 0)
    if isinstance(counted, int) and number < counted:
        fault = f"it has {number} rows, and result.json was written from {counted}"
        raise DamagedFileError(ledger, fault, "the same `scaler search` writes them again")


def _losses(path: Path) -> tuple[tuple[float, float], ...]:
    """Return the epochs and losses of a training's metrics; none if the file is missing.

    Raises:
        DamagedFileError: if it is no table of numbers.
    """
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple((float(row["epoch"]), float(row["loss"])) for row in csv.DictReader(file))
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(path, f"{type(error).__name__}: {error}", _REMEDY) from error


def _read_json(path: Path) -> dict[str, Any]:
    return read_sealed(path, dict[str, Any], _REMEDY) if path.exists() else {}


def _read_budget(entry: Mapping[str, Any]) -> Budget:
    """Read a budget of ``run.json``, where an open side is null."""
    bounds = ((key, Bound(low or 0, inf if high is None else high)) for key, (low, high) in entry["bounds"].items())
    return Budget(tuple(sorted(bounds)), entry["text"])
