"""A candidate in training, and the error of a worker that has lost its candidate to another one."""

from dataclasses import dataclass

from optuna import Trial as OptunaTrial
from optuna.exceptions import UpdateFinishedTrialError

from scaler.budget import Budget
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.trials.storage import quiet_optuna


class LostTrialError(ScalerError):
    """A candidate's worker seemed dead, as when a clock jumps, and another one has taken the candidate over."""

    def __init__(self, number: int) -> None:
        super().__init__(f"candidate {number} was given up as its worker seemed dead; another worker scores it")


@dataclass(frozen=True)
class Candidate:
    """A candidate that waits for its score.

    Attributes:
        number: from 0, in the order in which candidates were first asked for.
        budget: index of the budget that it was drawn for.
        limits: what its cost meets: that budget, or a step on the way to it.
        origin: what proposed it; see `scaler.trials.strategy.Proposal`.
    """

    number: int
    budget: int
    limits: Budget
    origin: str
    arch: Architecture
    trial: OptunaTrial

    @quiet_optuna()
    def report(self, step: int, top1: float) -> None:
        """Report an intermediate score to the pruner; of a step that was reported before, the first score stays.

        Args:
            step: how far the training is, in units of the first rung's distance from the start.
            top1: the held-out top-1, in percent.

        Raises:
            LostTrialError: if another worker has taken the candidate over.
        """
        try:
            self.trial.report(top1, step)
        except UpdateFinishedTrialError as error:
            raise LostTrialError(self.number) from error

    def should_prune(self) -> bool:
        """Return whether the pruner stops the training at the last step that was reported."""
        return self.trial.should_prune()
