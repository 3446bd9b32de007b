"""The trials of a search, held by Optuna: asked for, scored and told one by one, so that a search can stop and go on anywhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import Trial as OptunaTrial
from optuna.trial import TrialState

from scaler.family import Architecture
from scaler.feasible import FeasibleSet
from scaler.sampler import FeasibleSampler
from scaler.space import SearchSpace
from scaler.strategy import Strategy


@dataclass(frozen=True)
class Asked:
    """A candidate that waits for its score: number ``number``, drawn for budget ``budget`` (an index)."""

    number: int
    budget: int
    arch: Architecture


class SearchStudy:
    """An Optuna study over a space, its trials shared by all budgets.

    Args:
        storage: an Optuna storage's URL, or None for ``study.db`` (SQLite) in ``folder``.
    """

    def __init__(
        self,
        folder: Path,
        space: SearchSpace,
        sets: Sequence[FeasibleSet],
        strategy: Strategy,
        seed: int,
        storage: str | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.budgets = space, len(sets)
        folder.mkdir(parents=True, exist_ok=True)
        sampler = FeasibleSampler(space, sets, strategy, seed)
        url = storage or f"sqlite:///{folder / 'study.db'}"
        # A run's own file may be moved with its folder; a storage that many runs share tells them apart by name.
        name = folder.resolve().name if storage else "search"
        self._study = optuna.create_study(
            storage=url, study_name=name, sampler=sampler, direction="maximize", load_if_exists=True
        )

    def finished(self) -> int:
        """How many trials have a score or have failed."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL)))

    def ask(self, trials: int) -> Iterator[Asked]:
        """Candidates until ``trials`` are finished in all: first those that were left without a score, then new ones."""
        for frozen in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            yield self._asked(OptunaTrial(self._study, frozen._trial_id))
        while self.finished() < trials:
            yield self._asked(self._study.ask())

    def tell(self, number: int, score: float) -> None:
        self._study.tell(number, score)

    def fail(self, number: int) -> None:
        """Record that the candidate could not be scored; it is not tried again."""
        self._study.tell(number, state=TrialState.FAIL)

    def _asked(self, trial: OptunaTrial) -> Asked:
        values = {name: trial.suggest_categorical(name, choices) for name, choices in self.space.variables.items()}
        return Asked(trial.number, trial.number % self.budgets, self.space.arch_of(values))
