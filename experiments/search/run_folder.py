"""The folder of a search: the names of its files, and what its ``run.json`` records."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.options.search import SearchOptions
from experiments.runtime.environment import environment
from experiments.scoring.score import Backend
from experiments.scoring.start import InheritedStart
from experiments.search.extent import Extent
from experiments.search.request import REQUEST, require_same
from experiments.search.trial_rows import TrialRows
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.json_files import write_sealed
from scaler.results.ledger import Ledger
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.storage import without_password
from scaler.trials.strategies import STRATEGIES, strategy
from scaler.trials.study import STUDY, STUDY_NAME, SearchStudy
from scaler.trials.study_file import set_damaged_study_aside

LEDGER, RESULT = "ledger.csv", "result.json"
TRIALS, FINALS, VARIANTS, BASELINES = "trials", "finalists", "variants", "baselines"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SearchContext:
    """Everything that every process of a search needs.

    Attributes:
        options: the request.
        resolved: values of options that name files (axes, teacher, logits), by their content: a file may move between calls;
            the threads of each process; and the lag of the search, see `SearchStudy`.
        space: the search space.
        sets: the feasible set of each budget, none of them empty.
        backend: scores candidates.
        say: prints a message for people.
        start: gives the candidates their first weights; None for random ones.
        final_backend: scores finalists; None for ``backend``.
    """

    options: SearchOptions
    resolved: Mapping[str, Any]
    space: SearchSpace
    sets: Sequence[FeasibleSet]
    backend: Backend
    say: Say
    start: InheritedStart | None = None
    final_backend: Backend | None = None

    @property
    def out(self) -> Path:
        """The folder of the search."""
        return self.options.out

    def spec_of(self, name: str, arch: Architecture) -> ModelSpec:
        """Return a candidate as a model."""
        return self.start.spec_of(name, arch) if self.start else model_spec_of(name, arch)

    @cached_property
    def ledger(self) -> Ledger:
        """The search's ledger, which this process alone writes."""
        return Ledger(self.out / LEDGER)

    @cached_property
    def trial_rows(self) -> TrialRows:
        """The rows of its trials."""
        return TrialRows(self.ledger, self.say)

    @property
    def extent(self) -> Extent:
        """The end of the search, whose hours are shared by the workers that it began with."""
        options = self.options
        workers = self.resolved.get("lag") or options.workers or 1
        return Extent(trials=options.most_trials, hours=options.hours, workers=workers)

    def study(self) -> SearchStudy:
        """Open the study of this search."""
        options = self.options
        proposer = strategy(options.strategy, options.most_trials)
        return SearchStudy(self.out, self.space, self.sets, proposer, options.seed, options.storage, options.pruner, self._lag())

    def _lag(self) -> int | None:
        """Return the lag of the study: all trials where no proposal or decision follows from other trials' scores."""
        options, lag = self.options, self.resolved.get("lag", 1)
        depends = STRATEGIES[options.strategy].learns or options.pruner != "none"
        return lag if depends or lag is None else max(lag, options.most_trials)

    def recorded(self) -> dict[str, Any]:
        """Return the content of ``run.json``."""
        bounds = [{"text": feasible.budget.text, "bounds": _bounds(feasible)} for feasible in self.sets]
        storage = self.options.storage and without_password(self.options.storage)
        command = shlex.join(["scaler", "search", *replace(self.options, storage=storage).words()])
        wanted = self.extent.trials if self.extent.hours is None else self.options.trials
        told = {"trials": wanted, "command": command, "environment": environment()}
        return {**self.options.recorded(), "storage": storage, **self.resolved, "bounds": bounds, **told}


def open_run(context: SearchContext) -> SearchStudy:
    """Return the study of a search that is new, or that continues the one in its folder, and write ``run.json``.

    Raises:
        ScalerError: if ``run.json`` records another request (the message names the first difference) or is damaged, or the
            storage cannot be opened; nothing is written then.
    """
    path = context.out / REQUEST
    if path.exists():
        check_request(context)
    elif (context.out / LEDGER).exists():
        raise ScalerError(f"{context.out} holds results but no {REQUEST}: choose another --out")
    if not context.options.storage and (fault := set_damaged_study_aside(context.out / STUDY, STUDY_NAME)):
        context.say(f"{fault}: its trials are asked for again, and trainings that are kept are not repeated")
    study = context.study()
    write_sealed(path, context.recorded())
    return study


def check_request(context: SearchContext) -> None:
    """Check that ``run.json`` has the same value of each option that a continued search must repeat.

    Raises:
        ScalerError: if it differs; the message names the first difference.
        DamagedFileError: if it is not as it was written.
    """
    found = context.recorded()
    names = context.options.fixed_names() | ({"start_weights"} & found.keys())
    require_same("search", context.out / REQUEST, {name: found[name] for name in names})


def _bounds(feasible: FeasibleSet) -> dict[str, list[float | None]]:
    ends = {key: [bound.low or None, bound.high] for key, bound in feasible.budget.bounds}
    return {key: [None if end == float("inf") else end for end in pair] for key, pair in ends.items()}
