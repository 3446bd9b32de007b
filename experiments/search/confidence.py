"""The true scores of a budget's candidates, as far as their trials and the trainings of finalists tell."""

import json
from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np

from models.zoo.families import family
from scaler.results.calibration import CheapScores, Posterior, calibrate, spread_out
from scaler.results.ledger import Record

_MOST = 256  # candidates that are compared, the best by their trials, and all finalists
_COVERED = 0.8  # probability that the best candidate is among the finalists
_SURE = 0.9  # probability of being the best at which finalists are not trained again
_SHARE = 8  # one finalist for so many trials of a budget at most


class Confidence:
    """The posterior of the true scores.

    Args:
        fitting: the candidates that meet a budget, the best by their trials first.
        finals: trainings of finalists, of these candidates and of others.
    """

    def __init__(self, fitting: Sequence[Record], finals: Sequence[Record] = ()) -> None:
        again = {row.trial for row in finals}
        self.rows = [row for place, row in enumerate(fitting) if place < _MOST or row.trial in again]
        self._place = {row.trial: place for place, row in enumerate(self.rows)}
        full: dict[int, list[float]] = {}
        for row in finals:
            if row.trial in self._place:
                full.setdefault(self._place[row.trial], []).append(row.top1)
        self._cheap = _cheap_scores(self.rows)
        self._posterior: Posterior = calibrate(self._cheap, full)

    def expected(self, row: Record) -> float:
        """Return the expected top-1 of a candidate in percent; its trial's where it was not compared."""
        place = self._place.get(row.trial)
        return row.top1 if place is None else float(self._posterior.mean[place])

    def probability_best(self, among: Sequence[Record] | None = None) -> dict[int, float]:
        """Return the probability that a candidate is the best of ``among``, by its trial's number; of all by default."""
        rows = [row for row in (self.rows if among is None else among) if row.trial in self._place]
        found = self._posterior.probability_best([self._place[row.trial] for row in rows])
        return {row.trial: float(p) for row, p in zip(rows, found, strict=True)}

    def is_sure(self, among: Sequence[Record]) -> bool:
        """Return True if one of ``among`` is very probably the best of them."""
        return max(self.probability_best(among).values(), default=1.0) >= _SURE

    def finalists(self, trials: int) -> int:
        """Return the number of finalists that the noise asks for in a search of ``trials`` trials of each budget.

        They hold the best candidate with a probability of 0.8, and are an eighth of the trials at most; none where one is enough.
        """
        covered = np.cumsum(sorted(self.probability_best().values(), reverse=True))
        needed = min(int(np.searchsorted(covered, _COVERED)) + 1, trials // _SHARE)
        return needed if needed > 1 else 0

    def teachers(self, number: int) -> list[Record]:
        """Return ``number`` candidates whose full trainings say most of the others, spread over resolutions and sizes."""
        return [self.rows[place] for place in spread_out(self._cheap, number)]

    def best_but(self, rows: Sequence[Record]) -> Record | None:
        """Return the candidate of the highest expected top-1 that is not among ``rows``."""
        others = [row for row in self.rows if row not in rows]
        return max(others, key=self.expected, default=None)


def half(number: int) -> int:
    """Return half of ``number``, rounded up."""
    return ceil(number / 2)


def _cheap_scores(rows: Sequence[Record]) -> CheapScores:
    noise = [sqrt(max(row.top1 * (100 - row.top1), 1.0) / max(row.images, 1)) for row in rows]
    return CheapScores(
        scores=np.array([row.top1 for row in rows]),
        noise=float(np.mean(noise)),
        groups=np.array([row.resolution for row in rows]),
        axes=np.log(np.array([[row.params, row.flops, _depth(row)] for row in rows], float)),
    )


def _depth(row: Record) -> float:
    """The number of blocks; 1 where the architecture has no such axis."""
    values = family(row.family).from_dict(json.loads(row.arch)).values() if row.family else {}
    return sum(value for name, value in values.items() if name.startswith(("depth", "layers"))) or 1.0
