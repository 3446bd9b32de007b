"""The extent of a search: a number of trials, or the hours that its trainings may take."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from scaler.trials.study import SearchStudy

_TRIALS = 0.75  # of the hours; finalists take the rest


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The end of a search.

    Attributes:
        trials: the most trials.
        hours: that all trainings may take; None for any time.
        workers: processes that share the trials.
    """

    trials: int
    hours: float | None = None
    workers: int = 1

    def is_open(self, study: SearchStudy) -> bool:
        """Return True if another trial may start: some are left, and it fits into the time by the mean of those before."""
        if study.finished() >= self.trials:
            return False
        seconds = [float(record["seconds"]) for _, record in study.records()]
        if self.hours is None or not seconds:
            return True
        return sum(seconds) + (study.running() + 1) * mean(seconds) <= 3600 * self.hours * _TRIALS * self.workers

    def allows(self, trials: Sequence[float], finals: Sequence[float], following: float) -> bool:
        """Return True if a finalist's training of ``following`` seconds fits behind those of the given seconds."""
        return self.hours is None or sum(trials) / self.workers + sum(finals) + following <= 3600 * self.hours

    def fitting(self, seconds: float) -> int:
        """Return the number of trials of ``seconds`` each that fit."""
        if self.hours is None:
            return self.trials
        return min(self.trials, max(1, int(3600 * self.hours * _TRIALS * self.workers / max(seconds, 1e-9))))
