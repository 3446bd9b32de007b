"""The backend that scores architectures: one way in for a seed, a teacher, a trial and a chosen variant.

What a score is worth is said with it: on which split and how many images, after how many epochs, from which start.
"""

import csv
import json
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from experiments.data.datasets import ImageData, ImageSet
from experiments.logits.store import Store
from experiments.losses.distillation import Guide
from experiments.recipes import Recipe
from experiments.runtime.console import speaks
from experiments.runtime.setup import Setup, gathered, pick_device
from experiments.training.evaluation import Metrics, evaluate
from experiments.training.job import Job
from experiments.training.loop import train
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import Rungs, Watch
from models.networks.lower_resolution import Lower, lower
from models.networks.model_spec import Target, open_target
from scaler.files import write_json, write_text
from scaler.results.variant import Note

_SCORE, _RUNGS = "score.json", "rungs.json"


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

    def score(self, target: Target, note: Note, folder: Path, *, seed: int, final: bool, watch: Watch | None = None) -> Score:
        """Train ``target`` from ``seed`` into ``folder``, a variant's folder afterwards, and score it.

        ``final`` trains on every training image and scores on the test split; otherwise part of the training images is held
        out and scores. Interrupted, the same call continues. ``watch`` is told the held-out top-1 on the way and may stop the
        training there; the score then is of so many epochs.
        """


@dataclass(frozen=True)
class Teacher:
    """A trained model to distil from."""

    target: Target
    digest: str

    @classmethod
    def of(cls, target: Target) -> "Teacher":
        return cls(target, _digest(target.weights) or "random")

    def guide(self) -> Guide:
        target = self.target
        return Guide(model=target.build(), resolution=target.resolution, mean=target.mean, std=target.std)


class TrainingBackend:
    """Trains on real images by one loop: cross-entropy, or distillation where there is a teacher, at hand or stored."""

    def __init__(
        self,
        data: ImageData,
        recipe_name: str,
        recipe: Recipe,
        teacher: Teacher | None = None,
        *,
        logits: Store | None = None,
        workers: int = 0,
        setup: Setup | None = None,
    ) -> None:
        self.data, self.recipe, self.teacher, self.logits, self.workers = data, recipe, teacher, logits, workers
        self.data_name, self.recipe_name, self.setup = data.name, recipe_name, setup or Setup()
        self.device = pick_device()
        self._guide = teacher.guide() if teacher else None

    def score(self, target: Target, note: Note, folder: Path, *, seed: int, final: bool, watch: Watch | None = None) -> Score:
        key = self._key(target, seed, final)
        found = _read_score(folder / _SCORE, key)
        if found is not None:
            return found
        work = folder / f"training-{key}"
        low = lower(target, self.recipe.low_resolution) if self.recipe.low_resolution < 1 else None
        job = self._job(target, seed, final, low)
        rungs = Rungs(work / _RUNGS, watch, job, partial(self._holdout, target)) if watch else None
        model = train(self._network(target, seed, low), job, work, title=Path(target.name).name, rungs=rungs)
        if speaks():
            target.write(folder, note, model.state_dict())
        cost = _Cost(work, job, note.flops, low)  # all processes wait here until the weights are written
        if rungs and rungs.stopped:
            score = self._scored(rungs.stopped, target, final, cost, rungs.seconds)
        else:
            metrics = self._evaluate(open_target(str(folder)), final)
            score = self._scored(metrics, target, final, cost, metrics.seconds + (rungs.seconds if rungs else 0))
        if watch and not score.pruned:
            watch.stops(watch.end(job), score.top1)
        if speaks():
            write_text(folder / METRICS, (work / METRICS).read_text(encoding="utf-8"))
            write_json(folder / _SCORE, {"key": key, **asdict(score)})
            shutil.rmtree(work)
        return gathered(score)[0]

    def _network(self, target: Target, seed: int, low: Lower | None) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return target.build(drop_path_rate=self.recipe.drop_path, **(low.arguments if low else {}))

    def _job(self, target: Target, seed: int, final: bool, low: Lower | None) -> Job:
        return Job(
            data=self.data.for_final_training() if final else self.data,
            recipe=self.recipe,
            resolution=target.resolution,
            mean=target.mean,
            std=target.std,
            seed=seed,
            low_resolution=low.resolution if low else None,
            guide=self._guide,
            logits=self.logits,
            device=self.device,
            workers=self.workers,
            setup=self.setup,
        )

    def _holdout(self, target: Target, model: nn.Module, resolution: int) -> Metrics:
        return _evaluate_model(model, target, self.data.holdout, resolution, self.device, self.workers)

    def _evaluate(self, written: Target, final: bool) -> Metrics:
        """Of what lies on disk, so that a later evaluation of it finds the same."""
        return evaluate_target(written, self.data.test if final else self.data.holdout, self.device, self.workers)

    def _scored(self, metrics: Metrics, target: Target, final: bool, cost: "_Cost", scoring_s: float) -> Score:
        return Score(
            top1=metrics.top1,
            top5=metrics.top5,
            loss=metrics.loss,
            split="test" if final else "holdout",
            images=metrics.images,
            epochs=cost.epochs,
            seconds=cost.seconds + scoring_s,
            train_flops=cost.flops,
            start=_start(target),
            pruned=cost.epochs < self.recipe.epochs,
        )

    def _key(self, target: Target, seed: int, final: bool) -> str:
        """A digest of all that decides the score, so that a kept one is never taken for another."""
        facts = {
            "config": target.config,
            "recipe": asdict(self.recipe),
            "data": [self.data.name, *(part.digest() for part in (self.data.train, self.data.holdout, self.data.test))],
            "teacher": self.teacher.digest if self.teacher else None,
            "precision": self.setup.precision,
            "logits": self.logits.manifest.digest if self.logits else None,
            "weights": _digest(target.weights),
            "seed": seed,
            "final": final,
        }
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def evaluate_target(target: Target, images: ImageSet, device: torch.device, workers: int = 0) -> Metrics:
    """Score a target with its weights as its configuration says: its own resolution, normalisation and crop."""
    return _evaluate_model(target.build(), target, images, target.resolution, device, workers)


def _evaluate_model(
    model: nn.Module, target: Target, images: ImageSet, resolution: int, device: torch.device, workers: int
) -> Metrics:
    return evaluate(
        model,
        images,
        resolution=resolution,
        mean=target.mean,
        std=target.std,
        crop_pct=target.crop_pct,
        device=device,
        workers=workers,
    )


def _read_score(path: Path, key: str) -> Score | None:
    """The score kept at ``path``, if it is of the same work."""
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    return Score(**data) if data.pop("key") == key else None


def _start(target: Target) -> str:
    return "given weights" if target.weights else "random"


class _Cost:
    """What a training took, over all calls: ``epochs``, ``seconds`` of wall time, and ``flops`` (see `Score.train_flops`)."""

    def __init__(self, work: Path, job: Job, flops: int, low: Lower | None) -> None:
        """``flops``: of an image at the model's own resolution."""
        with (work / METRICS).open(encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        self.epochs = float(rows[-1]["epoch"])
        self.seconds = max(gathered(sum(float(row["seconds"]) for row in rows)))
        steps = round(self.epochs * job.steps_per_epoch)
        first = min(steps, job.low_steps)
        self.flops = job.batch_size * ((steps - first) * flops + first * (low.flops if low else 0))


def _digest(path: Path | None) -> str | None:
    return sha256(path.read_bytes()).hexdigest()[:16] if path else None
