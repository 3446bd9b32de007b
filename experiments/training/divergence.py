"""The check that a training's loss and weights are still usable."""

import math

from experiments.training.checkpoints import Checkpoints, TrainingProgress
from experiments.training.job import Job
from scaler.errors import DivergedError

_LIMIT = 10  # times the initial loss, or the loss of a uniform guess


class DivergenceWatch:
    """Raises `DivergedError` when the loss or the weights are not finite, or the loss is ten times the initial one."""

    def __init__(self, job: Job, progress: TrainingProgress, checkpoints: Checkpoints) -> None:
        self.progress, self.checkpoints = progress, checkpoints
        self._steps_per_epoch = job.steps_per_epoch
        self._guess_loss = job.recipe.temperature**2 * math.log(job.data.num_classes)
        self._checked_step, self._checked_loss_sum = 0, 0.0

    def restart(self) -> None:
        """Have the next check look at the losses from here on."""
        self._checked_step, self._checked_loss_sum = self.progress.step, float(self.progress.loss_sum)

    def check_loss(self, loss_sum: float) -> None:
        """Compare the mean loss since the last check with the initial loss.

        Args:
            loss_sum: of the current interval, the mean over all processes.

        Raises:
            DivergedError: if the loss is not finite or ten times the initial one.
        """
        recent = (loss_sum - self._checked_loss_sum) / max(1, self.progress.step - self._checked_step)
        self._checked_step, self._checked_loss_sum = self.progress.step, loss_sum
        self._require(math.isfinite(loss_sum), f"the loss is {loss_sum}")
        if math.isnan(self.progress.initial_loss):
            self.progress.initial_loss = recent
        usual = max(self.progress.initial_loss, self._guess_loss)
        self._require(recent < _LIMIT * usual, f"the loss is {recent:.4g}, more than {_LIMIT} times the initial {usual:.4g},")

    def check_weights(self, norm: float) -> None:
        """Check the norm of the weights: no loss has covered the last update yet.

        Raises:
            DivergedError: if ``norm`` is not finite.
        """
        self._require(math.isfinite(norm), f"the weights' norm is {norm}")

    def _require(self, passed: bool, finding: str) -> None:
        if passed:
            return
        kept, step = self.checkpoints.paths(), self.progress.step
        place = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
        epoch = (step - 1) // self._steps_per_epoch + 1
        advice = "lower the recipe's lr or clip its gradient"
        raise DivergedError(f"{finding} at step {step}, in epoch {epoch}, and {place}: {advice}")
