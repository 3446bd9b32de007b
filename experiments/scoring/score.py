"""The interface of backends that score architectures, and the score and cost of one training."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from experiments.training.job import Job
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungSchedule
from models.networks.low_resolution import LowResolutionPhase
from models.networks.model_spec import ModelSpec
from scaler.json_files import read_sealed, write_sealed
from scaler.results.score import Score
from scaler.results.variant import VariantInfo

SCORE = "score.json"


class Backend(Protocol):
    """Scores architectures. A finished score is kept in ``folder`` and returned when it is asked for again."""

    data_name: str
    recipe_name: str

    def score(
        self, spec: ModelSpec, note: VariantInfo, folder: Path, *, seed: int, final: bool, rungs: RungSchedule | None = None
    ) -> Score:
        """Train ``spec`` from ``seed`` into ``folder``, which becomes a variant's folder, and score it.

        An interrupted call continues when it is repeated.

        Args:
            final: train on all training images and score on the test split. Otherwise a part of the training images is held out
                for the score.
            rungs: the points of the training at which the held-out top-1 is reported, and where it may be stopped. The score of
                a stopped training is the one that was reported last.
        """

    def estimate(self, spec: ModelSpec, *, seed: int, final: bool) -> float:
        """Return about how many seconds `score` takes."""


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """The cost of a training, over all calls.

    Attributes:
        epochs: of training, not always a whole number.
        seconds: wall time.
        flops: see `Score.train_flops`.
    """

    epochs: float
    seconds: float
    flops: int


def training_cost(work: Path, job: Job, flops: int, low: LowResolutionPhase | None) -> TrainingCost:
    """Return the cost of the training of ``job`` in the folder ``work``, from its metrics.

    Args:
        flops: of an image at the model's own resolution.
        low: the training's phase at a lower resolution, if it has one.
    """
    with (work / METRICS).open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    epochs = float(rows[-1]["epoch"])
    steps = round(epochs * job.steps_per_epoch)
    low_steps = min(steps, job.low_steps)
    flops_per_view = (steps - low_steps) * flops + low_steps * (low.flops if low else 0)
    return TrainingCost(epochs=epochs, seconds=sum(float(row["seconds"]) for row in rows), flops=job.batch_size * flops_per_view)


@dataclass(frozen=True, kw_only=True)
class KeptScore:
    """A score as a folder keeps it, with ``key``, a digest of all that decides it."""

    key: str
    score: Score


def read_score(path: Path, key: str) -> Score | None:
    """Return the score that `write_score` kept at ``path``; None if there is none, or it has another key.

    Raises:
        DamagedFileError: if the file is not as it was written.
    """
    if not path.exists():
        return None
    kept = read_sealed(path, KeptScore, "delete it, and the model is trained again")
    return kept.score if kept.key == key else None


def write_score(path: Path, key: str, score: Score) -> None:
    """Keep ``score`` at ``path``, with ``key``, a digest of all that decides it."""
    write_sealed(path, KeptScore(key=key, score=score))
