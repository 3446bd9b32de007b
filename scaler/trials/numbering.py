"""The numbers of a study's candidates: its trials in their order, without retries and surplus ones."""

from bisect import bisect_left, insort
from collections.abc import Sequence

from optuna.trial import FrozenTrial

from scaler.trials.attributes import SURPLUS
from scaler.trials.storage import first_number


class Numbering:
    """Numbers candidates from 0, a retry as the trial that it retries. A finished trial is looked at once."""

    def __init__(self) -> None:
        self._seen = 0  # trials
        self._open: list[int] = []  # trials that were not finished, which may turn out to be surplus
        self._not_first: list[int] = []  # trials that are no candidate of their own, sorted

    def __len__(self) -> int:
        """The number of candidates."""
        return self._seen - len(self._not_first)

    def update(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Read ``trials``, all of the study by number, and return those that are new or were not finished."""
        read = [trials[number] for number in self._open] + list(trials[self._seen :])
        self._seen = len(trials)
        for trial in read:
            if (SURPLUS in trial.user_attrs or first_number(trial) != trial.number) and not self._is_not_first(trial.number):
                insort(self._not_first, trial.number)
        self._open = [trial.number for trial in read if not trial.state.is_finished()]
        return read

    def of(self, trial: FrozenTrial) -> int:
        """Return the number of the candidate that ``trial`` tries."""
        first = first_number(trial)
        return first - bisect_left(self._not_first, first)

    def _is_not_first(self, number: int) -> bool:
        at = bisect_left(self._not_first, number)
        return at < len(self._not_first) and self._not_first[at] == number
