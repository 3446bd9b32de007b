"""A score and what it is of."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from experiments.runtime.processes import all_gather
from experiments.training.job import Job
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungSchedule
from models.networks.low_resolution import LowResolutionPhase
from models.networks.model_spec import ModelSpec
from scaler.results.variant import VariantInfo


@dataclass(frozen=True, kw_only=True)
class Score:
    """``top1`` and ``top5`` in percent and mean cross-entropy ``loss`` over ``images`` images of ``split``.

    ``train_flops``: of the forward passes of all training images, each at the resolution at which it was seen; backward passes
    take about twice as many again.

    ``epochs`` of training are behind it, which need not be whole: a ``pruned`` one was stopped before its recipe's end.
    """

    top1: float
    top5: float
    loss: float
    split: str
    images: int
    epochs: float
    seconds: float
    train_flops: int = 0
    start: str = "random"
    pruned: bool = False


class Backend(Protocol):
    """Scores architectures. A finished score is kept in ``folder`` and read back when asked for again."""

    data_name: str
    recipe_name: str

    def score(
        self, spec: ModelSpec, note: VariantInfo, folder: Path, *, seed: int, final: bool, watch: RungSchedule | None = None
    ) -> Score:
        """Train ``spec`` from ``seed`` into ``folder``, a variant's folder afterwards, and score it.

        ``final`` trains on every training image and scores on the test split; otherwise part of the training images is held
        out and scores. Interrupted, the same call continues. ``watch`` is told the held-out top-1 on the way and may stop the
        training there; the score then is of so many epochs.
        """


def read_score(path: Path, key: str) -> Score | None:
    """The score kept at ``path``, if it is of the same work."""
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    return Score(**data) if data.pop("key") == key else None


class TrainingCost:
    """What a training took, over all calls: ``epochs``, ``seconds`` of wall time, and ``flops`` (see `Score.train_flops`)."""

    def __init__(self, work: Path, job: Job, flops: int, low: LowResolutionPhase | None) -> None:
        """``flops``: of an image at the model's own resolution."""
        with (work / METRICS).open(encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        self.epochs = float(rows[-1]["epoch"])
        self.seconds = max(all_gather(sum(float(row["seconds"]) for row in rows)))
        steps = round(self.epochs * job.steps_per_epoch)
        first = min(steps, job.low_steps)
        self.flops = job.batch_size * ((steps - first) * flops + first * (low.flops if low else 0))
