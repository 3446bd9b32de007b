"""Reading a study's trials into a `History`, each finished trial once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from scaler.arrays import Floats, Ints
from scaler.errors import ScalerError
from scaler.space.search_space import SearchSpace
from scaler.trials.attributes import NOTES, SURPLUS
from scaler.trials.history import History
from scaler.trials.numbering import Numbering
from scaler.trials.storage import all_trials, study_key

_SCORED = (TrialState.COMPLETE, TrialState.PRUNED)


class HistoryReader:
    """The trials of the study that was read last, as arrays that grow. Not for several threads at once.

    Args:
        lag: the scores of the last ``lag`` - 1 candidates before a trial are left out, whether they are known or not.
    """

    def __init__(self, space: SearchSpace, lag: int = 1) -> None:
        self.space, self.lag = space, lag
        self._start(None, 1)

    def _start(self, study: tuple[object, int] | None, objectives: int) -> None:
        self._study = study
        self._points: Ints = np.zeros((0, len(self.space.variables)), np.int64)
        self._scores: Floats = np.zeros((0, objectives))
        self._steps: Floats = np.zeros(0)
        self._notes: list[Mapping[str, Any]] = []
        self._is_whole: NDArray[np.bool_] = np.zeros(0, np.bool_)  # whether a trial has a value of each variable
        self._is_finished = bytearray()  # looked at one by one, where a list's speed counts
        self._all_finished = 0  # trials with smaller numbers are finished and read
        self._numbering = Numbering()

    def number(self, study: Study, trial: FrozenTrial) -> int:
        """Return the number of the candidate that ``trial`` tries; see `scaler.trials.numbering`."""
        if self._study != study_key(study):
            self._start(study_key(study), len(study.directions))
        self._numbering.update(all_trials(study))
        return self._numbering.of(trial)

    def before(self, study: Study, trial: FrozenTrial) -> History:
        """Return the candidates before that of ``trial`` that have a value of each variable, each as of its last trial.

        Raises:
            ScalerError: a trial has a value that the space does not offer.
        """
        number, end = self.number(study, trial), trial.number
        self._grow(end)
        trials = study.get_trials(deepcopy=False)
        # Some pruners show a part of the trials only; in a complete list the finished ones need not be looked at again.
        at = self._all_finished
        is_complete = at < len(trials) and trials[at].number == at
        for other in trials[at if is_complete else 0 :]:
            if other.number < end and not self._is_finished[other.number]:
                self._read(other, study)
        while self._all_finished < end and self._is_finished[self._all_finished]:
            self._all_finished += 1
        return self._history(number)

    def _history(self, number: int) -> History:
        scores, steps = self._known(self._scores, number), self._known(self._steps, number)
        fidelity = np.nan_to_num(steps / np.nanmax(steps, initial=1.0), nan=1.0)
        kept = np.flatnonzero(self._is_whole[:number])
        if len(kept) == number:  # without copies
            return History(self.space, self._points[:number], scores, fidelity, self._notes[:number])
        notes = [self._notes[i] for i in kept]
        return History(self.space, self._points[kept], scores[kept], fidelity[kept], notes)

    def _known(self, values: Floats, number: int) -> Floats:
        """Return the first ``number`` of ``values``, without those that the lag leaves out."""
        if self.lag == 1:
            return values[:number]
        found = values[:number].copy()
        found[max(0, number - self.lag + 1) :] = np.nan
        return found

    def _read(self, trial: FrozenTrial, study: Study) -> None:
        self._is_finished[trial.number] = trial.state.is_finished()
        if SURPLUS in trial.user_attrs:
            return
        i = self._numbering.of(trial)
        self._is_whole[i] = self.space.variables.keys() <= trial.params.keys()
        if self._is_whole[i]:
            self._points[i] = self._point(trial, study)
            self._notes[i] = trial.user_attrs.get(NOTES, {})
            self._scores[i] = _scores(trial, study.directions)
            self._steps[i] = np.nan if trial.last_step is None else trial.last_step

    def _point(self, trial: FrozenTrial, study: Study) -> tuple[int, ...]:
        try:
            return self.space.point_of(trial.params)
        except ScalerError as error:
            raise ScalerError(
                f"trial {trial.number} of study {study.study_name!r} does not fit: {error}; use the axes that the study was "
                "made with, or another study"
            ) from error

    def _grow(self, size: int) -> None:
        if size <= len(self._is_finished):
            return
        room = max(size - len(self._is_finished), len(self._is_finished))  # twice the size each time
        self._points = np.pad(self._points, ((0, room), (0, 0)))
        self._scores = np.pad(self._scores, ((0, room), (0, 0)), constant_values=np.nan)
        self._steps = np.pad(self._steps, (0, room), constant_values=np.nan)
        self._is_whole = np.pad(self._is_whole, (0, room))
        self._is_finished += bytes(room)
        self._notes += [{}] * room


def _scores(trial: FrozenTrial, directions: Sequence[StudyDirection]) -> Floats:
    """A trial's scores, higher is better; NaN where it has none. A pruned trial's is the last that it reported."""
    if trial.state not in _SCORED:
        return np.full(len(directions), np.nan)
    values = trial.values or [trial.intermediate_values.get(trial.last_step or 0, np.nan)]
    signs = [1 if direction == StudyDirection.MAXIMIZE else -1 for direction in directions]
    found: Floats = np.array(values) * signs
    return found
