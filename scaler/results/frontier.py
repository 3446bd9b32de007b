"""The frontier as data: which models no other one beats in both accuracy and cost, and how sure their accuracies are.

Scores of unlike kinds are never compared: trials (short training, held-out part of the training images) have a front of their
own, the seed and the chosen variants (trained in full, test images) another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaler.budget import Budget
from scaler.pareto import pareto
from scaler.results.ledger import Record

PLOTTED_COSTS = ("flops", "params")
TRIALS = ("trial",)
TRAINED = ("seed", "chosen")


@dataclass(frozen=True, kw_only=True)
class FrontierInfo:
    """What one or more searches found, as figures and reports show it.

    Attributes:
        records: every finished evaluation.
        budgets: those that were asked for; a candidate's ``budget`` is the text of the one it was drawn for.
    """

    records: tuple[Record, ...]
    budgets: tuple[Budget, ...] = ()

    def of(self, roles: Sequence[str]) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.role in roles)

    def front(self, cost: str, roles: Sequence[str]) -> tuple[Record, ...]:
        """The Pareto set over ``cost`` and top-1 among the records of ``roles``, by rising cost."""
        records = self.of(roles)
        chosen = pareto([getattr(record, cost) for record in records], [record.top1 for record in records])
        return tuple(sorted((records[i] for i in np.flatnonzero(chosen)), key=lambda record: int(getattr(record, cost))))

    def on_front(self, cost: str) -> tuple[bool, ...]:
        """For each record, whether it is on the front of its own kind of score."""
        fronts = {record for roles in (TRIALS, TRAINED) for record in self.front(cost, roles)}
        return tuple(record in fronts for record in self.records)
