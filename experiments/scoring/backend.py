"""The backend that scores architectures: one way in for a seed, a teacher, a trial and a chosen variant.

What a score is worth is said with it: on which split and how many images, after how many epochs, from which start.
"""

import json
import shutil
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from experiments.data.image_set import ImageData, ImageSet
from experiments.logits.store import Store
from experiments.recipes import Recipe
from experiments.runtime.console import is_main_process
from experiments.runtime.processes import all_gather, pick_device
from experiments.runtime.setup import Setup
from experiments.scoring.score import Score, TrainingCost, read_score
from experiments.scoring.teacher import Teacher, file_digest
from experiments.training.evaluation import Metrics, evaluate_model
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from experiments.training.rungs import RungLog, RungSchedule
from models.networks.low_resolution import LowResolutionPhase, low_resolution_phase
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.files import write_json, write_text
from scaler.results.variant import VariantInfo

_SCORE, _RUNGS = "score.json", "rungs.json"


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

    def score(
        self, spec: ModelSpec, note: VariantInfo, folder: Path, *, seed: int, final: bool, watch: RungSchedule | None = None
    ) -> Score:
        key = self._key(spec, seed, final)
        found = read_score(folder / _SCORE, key)
        if found is not None:
            return found
        work = folder / f"training-{key}"
        low = low_resolution_phase(spec, self.recipe.low_resolution) if self.recipe.low_resolution < 1 else None
        job = self._job(spec, seed, final, low)
        rungs = RungLog(work / _RUNGS, watch, job, partial(self._holdout, spec)) if watch else None
        model = train_model(self._network(spec, seed, low), job, work, title=Path(spec.name).name, rungs=rungs)
        if is_main_process():
            spec.write(folder, note, model.state_dict())
        cost = TrainingCost(work, job, note.flops, low)  # all processes wait here until the weights are written
        if rungs and rungs.stopped:
            score = self._scored(rungs.stopped, spec, final, cost, rungs.seconds)
        else:
            metrics = self._evaluate(open_model_spec(str(folder)), final)
            score = self._scored(metrics, spec, final, cost, metrics.seconds + (rungs.seconds if rungs else 0))
        if watch and not score.pruned:
            watch.stops(watch.end(job), score.top1)
        if is_main_process():
            write_text(folder / METRICS, (work / METRICS).read_text(encoding="utf-8"))
            write_json(folder / _SCORE, {"key": key, **asdict(score)})
            shutil.rmtree(work)
        return all_gather(score)[0]

    def _network(self, spec: ModelSpec, seed: int, low: LowResolutionPhase | None) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return spec.build(drop_path_rate=self.recipe.drop_path, **(low.arguments if low else {}))

    def _job(self, spec: ModelSpec, seed: int, final: bool, low: LowResolutionPhase | None) -> Job:
        return Job(
            data=self.data.for_final_training() if final else self.data,
            recipe=self.recipe,
            resolution=spec.resolution,
            mean=spec.mean,
            std=spec.std,
            seed=seed,
            low_resolution=low.resolution if low else None,
            guide=self._guide,
            logits=self.logits,
            device=self.device,
            workers=self.workers,
            setup=self.setup,
        )

    def _holdout(self, spec: ModelSpec, model: nn.Module, resolution: int) -> Metrics:
        return _evaluate_model(model, spec, self.data.holdout, resolution, self.device, self.workers)

    def _evaluate(self, written: ModelSpec, final: bool) -> Metrics:
        """Of what lies on disk, so that a later evaluation of it finds the same."""
        return evaluate_spec(written, self.data.test if final else self.data.holdout, self.device, self.workers)

    def _scored(self, metrics: Metrics, spec: ModelSpec, final: bool, cost: "TrainingCost", scoring_s: float) -> Score:
        return Score(
            top1=metrics.top1,
            top5=metrics.top5,
            loss=metrics.loss,
            split="test" if final else "holdout",
            images=metrics.images,
            epochs=cost.epochs,
            seconds=cost.seconds + scoring_s,
            train_flops=cost.flops,
            start=_start(spec),
            pruned=cost.epochs < self.recipe.epochs,
        )

    def _key(self, spec: ModelSpec, seed: int, final: bool) -> str:
        """A digest of all that decides the score, so that a kept one is never taken for another."""
        facts = {
            "config": spec.config,
            "recipe": asdict(self.recipe),
            "data": [self.data.name, *(part.digest() for part in (self.data.train, self.data.holdout, self.data.test))],
            "teacher": self.teacher.digest if self.teacher else None,
            "precision": self.setup.precision,
            "logits": self.logits.manifest.digest if self.logits else None,
            "weights": file_digest(spec.weights),
            "seed": seed,
            "final": final,
        }
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def evaluate_spec(spec: ModelSpec, images: ImageSet, device: torch.device, workers: int = 0) -> Metrics:
    """Score a target with its weights as its configuration says: its own resolution, normalisation and crop."""
    return _evaluate_model(spec.build(), spec, images, spec.resolution, device, workers)


def _evaluate_model(
    model: nn.Module, spec: ModelSpec, images: ImageSet, resolution: int, device: torch.device, workers: int
) -> Metrics:
    return evaluate_model(
        model,
        images,
        resolution=resolution,
        mean=spec.mean,
        std=spec.std,
        crop_pct=spec.crop_pct,
        device=device,
        workers=workers,
    )


def _start(spec: ModelSpec) -> str:
    return "given weights" if spec.weights else "random"
