"""The candidates of a study: its trials, with each retry counted to the trial that it retries.

A finished trial no longer changes, so it is read once: the work of an update is that of the trials which are new or not finished.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from scaler.trials.attributes import ERROR, RECORD, SURPLUS
from scaler.trials.numbering import Numbering
from scaler.trials.storage import RETRIES


class Candidates:
    """A study's candidates, as of the last `update`; see `scaler.trials.numbering` for their numbers.

    Attributes:
        unfinished: the trials that wait or run, by rising number.
        finished: numbers of the candidates that have a score or have failed for good.
        records: (number, record) of every candidate that was told one, in the order in which they finished; it only grows.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._numbering = Numbering()
        self._failures: Counter[int] = Counter()  # trials that failed, by candidate
        self.unfinished: list[FrozenTrial] = []
        self.finished: set[int] = set()
        self.records: list[tuple[int, Mapping[str, Any]]] = []

    def __len__(self) -> int:
        return len(self._numbering)

    def update(self) -> None:
        """Read the trials that are new or were not finished."""
        read = self._numbering.update(self._study.get_trials(deepcopy=False))
        self.unfinished = [trial for trial in read if not trial.state.is_finished()]
        self._add_finished([trial for trial in read if trial.state.is_finished() and SURPLUS not in trial.user_attrs])

    def in_state(self, state: TrialState) -> list[FrozenTrial]:
        """Return the trials that wait, or those that run."""
        return [trial for trial in self.unfinished if trial.state == state]

    def number(self, trial: FrozenTrial) -> int:
        """Return the number of the candidate that ``trial`` tries: how many candidates came before it."""
        return self._numbering.of(trial)

    def _add_finished(self, trials: Sequence[FrozenTrial]) -> None:
        for trial in sorted(trials, key=lambda trial: (trial.datetime_complete, trial.number)):
            number = self.number(trial)
            if trial.state == TrialState.FAIL:
                self._failures[number] += 1
                if ERROR in trial.user_attrs or self._failures[number] > RETRIES:
                    self.finished.add(number)
                continue
            self.finished.add(number)
            if RECORD in trial.user_attrs:
                self.records.append((number, trial.user_attrs[RECORD]))
