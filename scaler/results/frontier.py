"""The frontier as data: the records of searches, their budgets, and the Pareto set of each kind of score.

Scores of different kinds are never compared. Trials (short training, held-out part of the training images) have one front; the
seed and the variants and baselines that were trained in full (test images) have another. Pruned trials and finalists are on
neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaler.budget import Budget
from scaler.pareto import pareto_set
from scaler.results.ledger import Record

PLOTTED_COSTS = ("flops", "params")
TRIALS = ("trial",)
PRUNED = ("pruned",)
BASELINE = "baseline"  # uniform scaling, trained in full
TRAINED = ("seed", "chosen", BASELINE, "variant")


@dataclass(frozen=True, kw_only=True)
class FrontierInfo:
    """The results of one or more searches, as figures and reports show them.

    Attributes:
        records: every finished evaluation; all are on the same data.
        budgets: the requested budgets, no two with equal bounds.
    """

    records: tuple[Record, ...]
    budgets: tuple[Budget, ...] = ()

    @property
    def data_name(self) -> str:
        """The name of the data set."""
        return self.records[0].data

    def of(self, roles: Sequence[str]) -> tuple[Record, ...]:
        """Return the records of ``roles``, in the ledger's order."""
        return tuple(record for record in self.records if record.role in roles)

    def front(self, cost: str, roles: Sequence[str]) -> tuple[Record, ...]:
        """Return the Pareto set over ``cost`` and top-1 among the records of ``roles``, by rising cost."""
        records = self.of(roles)
        chosen = pareto_set([getattr(record, cost) for record in records], [record.top1 for record in records])
        return tuple(sorted((records[i] for i in np.flatnonzero(chosen)), key=lambda record: int(getattr(record, cost))))

    def on_front(self, cost: str) -> tuple[bool, ...]:
        """Return one truth value per record: True if the record is on the front of its own kind of score."""
        fronts = {record for roles in (TRIALS, TRAINED) for record in self.front(cost, roles)}
        return tuple(record in fronts for record in self.records)
