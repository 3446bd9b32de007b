"""The top-1 at the end of each interval of a training, for its progress line and ``metrics.csv``; it decides nothing."""

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from experiments.data.image_set import ImageSet
from experiments.training.evaluation import Evaluation, evaluate_model
from experiments.training.job import Job

# Images scored for each image trained on. Scoring one takes less time than training on one, which has a backward pass as well.
_SHARE, _MOST = 0.05, 1000


@dataclass(frozen=True, kw_only=True)
class IntervalScore:
    """Scores the network of ``job`` on few held-out images, or on training images where a final training uses all of them."""

    job: Job

    @property
    def kind(self) -> str:
        """The images in words."""
        return "training" if self.job.data.final else "held-out"

    def evaluate(self, model: nn.Module, step: int, steps: int) -> Evaluation | None:
        """Return the score after ``step`` updates, the last ``steps`` of them in this interval.

        None if the interval is too short for a single image, or the network is spread over processes.
        """
        job = self.job
        images = self._images(min(_MOST, int(_SHARE * steps * job.batch_size)))
        if job.setup.shard or not len(images):
            return None
        input_format = replace(job.input_format, resolution=job.resolution_at(step - 1))
        return evaluate_model(model, images, input_format, job.device, workers=job.workers)

    def _images(self, number: int) -> ImageSet:
        """Return ``number`` images, or as many as there are, evenly spaced: sources may be sorted by class."""
        images = self.job.data.train if self.job.data.final else self.job.data.holdout
        places = np.linspace(0, len(images), min(number, len(images)), endpoint=False).astype(int)
        return replace(images, indices=images.indices[places])
