"""The backend that trains: the way to a score for seeds, teachers, trials and chosen variants alike."""

import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from experiments.data.image_set import ImageData, ImageSet
from experiments.data.input_format import InputFormat
from experiments.logits.store import Store
from experiments.losses.teacher import Teacher, weights_digest
from experiments.recipes import Recipe
from experiments.runtime.console import is_main_process, say
from experiments.runtime.processes import all_gather, pick_device, wait_for_everyone
from experiments.runtime.setup import Setup
from experiments.scoring.score import SCORE, TrainingCost, read_score, training_cost, write_score
from experiments.scoring.start import InheritedStart, start_of
from experiments.training.evaluation import Evaluation, evaluate_model
from experiments.training.job import Job
from experiments.training.loop import train_model
from experiments.training.metrics_log import METRICS
from experiments.training.rate import estimate_seconds
from experiments.training.rungs import RungLog, RungSchedule
from models.networks.low_resolution import LowResolutionPhase, low_resolution_phase
from models.networks.model_spec import ModelSpec, open_model_spec
from scaler.errors import DamagedFileError
from scaler.files import write_text
from scaler.json_files import set_aside
from scaler.results.score import Metrics, Score
from scaler.results.variant import CONFIG, TrainedOn, VariantInfo, check_weights, read_config, read_info

_RUNGS = "rungs.json"


class TrainingBackend:
    """Trains on real images by one loop: cross-entropy, or distillation from a teacher or its stored logits."""

    def __init__(
        self,
        data: ImageData,
        recipe_name: str,
        recipe: Recipe,
        teacher: Teacher | None = None,
        *,
        store: Store | None = None,
        workers: int = 0,
        setup: Setup | None = None,
        start: InheritedStart | None = None,
    ) -> None:
        self.data, self.recipe, self.teacher, self.store, self.workers = data, recipe, teacher, store, workers
        self.data_name, self.recipe_name, self.setup = data.name, recipe_name, setup or Setup()
        self.device, self.start = pick_device(), start

    def with_recipe(self, recipe: Recipe) -> "TrainingBackend":
        """Return the same backend with another recipe."""
        return TrainingBackend(
            self.data,
            self.recipe_name,
            recipe,
            self.teacher,
            store=self.store,
            workers=self.workers,
            setup=self.setup,
            start=self.start,
        )

    def score(
        self, spec: ModelSpec, note: VariantInfo, folder: Path, *, seed: int, final: bool, rungs: RungSchedule | None = None
    ) -> Score:
        """Train ``spec`` and score it; see `Backend.score`. All processes of a launch must call it and get the same score."""
        key = self._key(spec, seed, final)
        found = all_gather(finished(folder, key) if is_main_process() else None)[0]
        named = spec.with_label_names(self.data.class_names)
        if found is not None:
            _restore_config(folder, named)
            return found
        work = folder / f"training-{key}"
        low = low_resolution_phase(spec, self.recipe.low_resolution) if self.recipe.low_resolution < 1 else None
        job = self._job(spec, seed, final, low)
        log = self._rung_log(work, rungs, job, spec) if rungs else None
        model = train_model(self._network(spec, seed, low), job, work, title=Path(spec.name).name, rungs=log)
        if is_main_process():
            named.write(folder, replace(note, trained_on=self._trained_on(final)), model.state_dict())
        wait_for_everyone()  # until the weights are written
        score = self._score(spec, folder, training_cost(work, job, self._flops(note, job), low), log, final)
        if rungs and not score.pruned:
            rungs.trial.report(rungs.end(job), score.metrics.top1)
        if is_main_process():
            _keep(folder, work, key, score)
        return all_gather(score)[0]  # the times differ between processes

    def estimate(self, spec: ModelSpec, *, seed: int, final: bool) -> float:
        """Return about how many seconds the training of ``spec`` takes at its own resolution, from updates measured now."""
        return estimate_seconds(self._network(spec, seed, None), self._job(spec, seed, final, None))

    def has_finished(self, spec: ModelSpec, folder: Path, *, seed: int, final: bool) -> bool:
        """Return True if ``folder`` keeps the score of this training of ``spec``."""
        try:
            return read_score(folder / SCORE, self._key(spec, seed, final)) is not None
        except DamagedFileError:
            return False

    def _trained_on(self, final: bool) -> TrainedOn:
        part, data = "all" if final else "train", self.data
        return TrainedOn(
            part=part, data=data.name, train_images=data.train_images, seed=data.seed, holdout_share=data.holdout_share
        )

    def _rung_log(self, work: Path, rungs: RungSchedule, job: Job, spec: ModelSpec) -> RungLog:
        """Return the log of the training in the folder ``work``. If it is damaged, that whole training is set aside."""
        score = partial(self._evaluate_on_holdout, spec)
        try:
            return RungLog(work / _RUNGS, rungs, job, score)
        except DamagedFileError as error:
            say(f"{error.fault}, and its training was set aside as {set_aside(work)}: it starts from the beginning")
            return RungLog(work / _RUNGS, rungs, job, score)

    def _network(self, spec: ModelSpec, seed: int, low: LowResolutionPhase | None) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = spec.build(drop_path_rate=self.recipe.drop_path, **(low.arguments if low else {}))
        if self.start is not None and spec.weights is None:
            network.load_state_dict(self.start.cut(spec).network.state_dict())
        return network

    def _job(self, spec: ModelSpec, seed: int, final: bool, low: LowResolutionPhase | None) -> Job:
        return Job(
            data=self.data.for_final_training() if final else self.data,
            recipe=self.recipe,
            input_format=InputFormat.of(spec),
            seed=seed,
            low_resolution=low.resolution if low else None,
            teacher=self.teacher,
            store=self.store,
            device=self.device,
            workers=self.workers,
            setup=self.setup,
        )

    def _flops(self, note: VariantInfo, job: Job) -> int:
        """Return the FLOPs of an update for each of its images."""
        return note.flops

    def _evaluate_on_holdout(self, spec: ModelSpec, model: nn.Module, resolution: int) -> Evaluation:
        input_format = replace(InputFormat.of(spec), resolution=resolution)
        return evaluate_model(model, self.data.holdout, input_format, self.device, workers=self.workers)

    def _score(self, spec: ModelSpec, folder: Path, cost: TrainingCost, log: RungLog | None, final: bool) -> Score:
        """Return the score of the variant in ``folder``, or of the rung at which its training was stopped."""
        metrics, seconds = self._metrics(folder, log, final)
        return Score(
            metrics=metrics,
            split="test" if final else "holdout",
            epochs=cost.epochs,
            seconds=cost.seconds + seconds,
            train_flops=cost.flops,
            start=start_of(spec, self.start),
            pruned=cost.epochs < self.recipe.epochs,
        )

    def _metrics(self, folder: Path, log: RungLog | None, final: bool) -> tuple[Metrics, float]:
        """Return the metrics of the score, and the wall time of all evaluations.

        The weights are read back from ``folder``, so that a later evaluation of the variant gives the same metrics.
        """
        seconds = log.seconds if log else 0.0
        if log and log.final_metrics:
            return log.final_metrics, seconds
        images = self.data.test if final else self.data.holdout
        evaluation = evaluate_spec(open_model_spec(str(folder)), images, self.device, self.workers)
        return evaluation.metrics, seconds + evaluation.seconds

    def _key(self, spec: ModelSpec, seed: int, final: bool) -> str:
        """Return a digest of everything that decides the score, so that a kept score is never taken for another one."""
        facts = {
            "config": spec.config,
            "recipe": asdict(self.recipe),
            "data": [self.data.name, *(part.digest() for part in (self.data.train, self.data.holdout, self.data.test))],
            "teacher": self.teacher.digest if self.teacher else None,
            "precision": self.setup.precision,
            "logits": self.store.manifest.digest if self.store else None,
            "weights": weights_digest(spec) if spec.weights else None,
            "seed": seed,
            "final": final,
        } | ({"new_head": True} if spec.has_new_head else {})
        if self.start is not None and spec.weights is None:
            facts["start"] = self.start.digest
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _keep(folder: Path, work: Path, key: str, score: Score) -> None:
    """Keep a score and its training's metrics in the variant's ``folder``, and delete the training's folder ``work``."""
    write_text(folder / METRICS, (work / METRICS).read_text(encoding="utf-8"))
    write_score(folder / SCORE, key, score)
    shutil.rmtree(work)


def _restore_config(folder: Path, spec: ModelSpec) -> None:
    """Write the configuration of a finished training again if it is gone; the key of the score says that it is the same."""
    if is_main_process() and not (folder / CONFIG).exists() and (info := read_info(folder)):
        spec.write(folder, info)
        say(f"{folder / CONFIG} was missing and is written again")


def finished(folder: Path, key: str) -> Score | None:
    """Return the score kept in ``folder``; None if there is none of that key, or the weights that it is of are not there.

    Damaged files are set aside.
    """
    try:
        score = read_score(folder / SCORE, key)
        info = read_info(folder) if score else None
        if info is not None:
            check_weights(folder, info.weights)
            if (folder / CONFIG).exists():
                read_config(folder)
        return score if info else None
    except DamagedFileError as error:
        aside = f", and was set aside as {set_aside(error.path).name}" if error.path.exists() else ""
        say(f"{error.fault}{aside}: the model is trained again")
        return None


def evaluate_spec(spec: ModelSpec, images: ImageSet, device: torch.device, workers: int = 0) -> Evaluation:
    """Evaluate a model with its weights, at the resolution, normalization and crop of its configuration."""
    return evaluate_model(spec.build(), images, InputFormat.of(spec), device, workers=workers)
