"""Elastic seeds: the training of a seed with its members, and the scores of members as they are cut."""

import json
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from experiments.data.image_set import ImageData, ImageSet
from experiments.data.input_format import InputFormat
from experiments.runtime.processes import pick_device
from experiments.scoring.backend import TrainingBackend, finished
from experiments.scoring.score import SCORE, write_score
from experiments.scoring.start import INHERITED, InheritedStart
from experiments.training.evaluation import Evaluation, evaluate_model
from experiments.training.job import Job
from experiments.training.rungs import RungSchedule
from models.inheritance.members import member_rule, sorted_tensors
from models.inheritance.prepared_seed import prepare
from models.networks.low_resolution import LowResolutionPhase
from models.networks.model_spec import ModelSpec
from models.zoo.families import build
from scaler.results.score import Score
from scaler.results.variant import VariantInfo
from search_spaces.elastic import MemberPlan


def sorted_start(start: InheritedStart) -> InheritedStart:
    """Return the start from the seed of ``start`` with its channels sorted by the importance that its rule gives them."""
    seed = start.seed
    network = build(seed.arch).to(next(seed.network.parameters()))
    network.load_state_dict(sorted_tensors(seed))
    kept = prepare(network, seed.arch, member_rule(seed.rule.random_seed, batch_norm=False))
    return replace(start, seed=kept, digest=f"sorted {start.digest}")


class ElasticTraining(TrainingBackend):
    """Trains a network together with the members that ``plan`` draws; the other arguments are those of `TrainingBackend`."""

    def __init__(self, plan: MemberPlan, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan = plan

    @classmethod
    def of(cls, backend: TrainingBackend, plan: MemberPlan) -> "ElasticTraining":
        """Return a backend that trains as ``backend`` does, and the members of ``plan`` as well."""
        return cls(
            plan,
            backend.data,
            backend.recipe_name,
            backend.recipe,
            backend.teacher,
            store=backend.store,
            workers=backend.workers,
            setup=backend.setup,
            start=backend.start,
        )

    def _job(self, spec: ModelSpec, seed: int, final: bool, low: LowResolutionPhase | None) -> Job:
        return replace(super()._job(spec, seed, final, low), members=self.plan)

    def _key(self, spec: ModelSpec, seed: int, final: bool) -> str:
        facts = [super()._key(spec, seed, final), self.plan.facts()]
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def _flops(self, note: VariantInfo, job: Job) -> int:
        return round(self.plan.flops(job.steps))


class MemberBackend:
    """Scores members of an elastic seed on the held-out images, as they are cut out of it and without training.

    Args:
        start: gives the elastic seed's weights, by `models.inheritance.members.member_rule`.
    """

    recipe_name = "elastic"

    def __init__(self, data: ImageData, start: InheritedStart, workers: int = 0) -> None:
        self.data, self.start, self.workers = data, start, workers
        self.data_name, self.device = data.name, pick_device()

    def score(
        self, spec: ModelSpec, note: VariantInfo, folder: Path, *, seed: int, final: bool, rungs: RungSchedule | None = None
    ) -> Score:
        """Cut ``spec`` into ``folder`` and score it; the score is the same from every ``seed``. See `Backend.score`."""
        key, began = self._key(spec, final), time.monotonic()
        if (found := finished(folder, key)) is not None:
            return found
        cut = self.start.cut(spec).network
        named = spec.with_label_names(self.data.class_names)
        named.write(folder, replace(note, start=INHERITED), cut.state_dict())
        score = Score(
            metrics=self._evaluate(cut, spec, final).metrics,
            split="test" if final else "holdout",
            epochs=0.0,
            seconds=time.monotonic() - began,
            start=INHERITED,
        )
        write_score(folder / SCORE, key, score)
        return score

    def evaluate(self, spec: ModelSpec, *, final: bool) -> Evaluation:
        """Return the evaluation of ``spec`` as it is cut; nothing is written."""
        return self._evaluate(self.start.cut(spec).network, spec, final)

    def estimate(self, spec: ModelSpec, *, seed: int, final: bool) -> float:
        """Return how many seconds one cut and one evaluation of ``spec`` take now."""
        began = time.monotonic()
        self.evaluate(spec, final=final)
        return time.monotonic() - began

    def _evaluate(self, network: nn.Module, spec: ModelSpec, final: bool) -> Evaluation:
        return evaluate_model(network, self._images(final), InputFormat.of(spec), self.device, workers=self.workers)

    def _images(self, final: bool) -> ImageSet:
        return self.data.test if final else self.data.holdout

    def _key(self, spec: ModelSpec, final: bool) -> str:
        facts = [spec.config, self.start.digest, self.data.name, self._images(final).digest()]
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
