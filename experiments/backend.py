"""The backend that scores architectures: one way in for a seed, a teacher, a trial and a chosen variant.

What a score is worth is said with it: on which split and how many images, after how many epochs, from which start.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import torch

from experiments.data import ImageData
from experiments.loop import pick_device, train
from experiments.recipes import Recipe
from models.targets import Target
from scaler.files import write_json
from scaler.variant import Note

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Score:
    """``top1`` and ``top5`` in percent and mean cross-entropy ``loss`` over ``images`` images of ``split``."""

    top1: float
    top5: float
    loss: float
    split: str
    images: int
    epochs: int
    seconds: float
    start: str = "random"


class Backend(Protocol):
    """Scores architectures. A finished score is kept in ``folder`` and read back when asked for again."""

    data_name: str
    recipe_name: str

    def score(self, target: Target, note: Note, folder: Path, *, seed: int, final: bool) -> Score:
        """Train ``target`` from ``seed`` into ``folder``, a variant's folder afterwards, and score it.

        ``final`` trains on every training image and scores on the test split; otherwise part of the training images is held
        out and scores. Interrupted, the same call continues.
        """


@dataclass(frozen=True)
class Teacher:
    """A trained model to distil from."""

    target: Target
    digest: str

    @classmethod
    def of(cls, target: Target) -> "Teacher":
        data = target.weights.read_bytes() if target.weights else b""
        return cls(target, sha256(data).hexdigest()[:16])


class TrainingBackend:
    """Trains on real images by one loop: cross-entropy, or distillation where there is a teacher."""

    def __init__(
        self, data: ImageData, recipe_name: str, recipe: Recipe, teacher: Teacher | None = None, *, workers: int = 0
    ) -> None:
        self.data, self.recipe, self.teacher, self.workers = data, recipe, teacher, workers
        self.data_name, self.recipe_name = data.name, recipe_name
        self.device = pick_device()
        self._teacher_model = teacher.target.build() if teacher else None

    def score(self, target: Target, note: Note, folder: Path, *, seed: int, final: bool) -> Score:
        kept = folder / "score.json"
        key = self._key(target, seed, final)
        found = _read_score(kept, key)
        if found is not None:
            return found
        model = self._train(target, folder / key, seed, final)
        score = self._evaluate(model, target, final, _seconds(folder / key))
        target.write(folder, note, model.state_dict())
        write_json(kept, {"key": key, **asdict(score)})
        shutil.rmtree(folder / key)
        return score

    def _train(self, target: Target, folder: Path, seed: int, final: bool) -> torch.nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = target.build(drop_path_rate=self.recipe.drop_path)
        return train(
            model,
            self.data.for_final_training() if final else self.data,
            self.recipe,
            folder,
            resolution=target.resolution,
            seed=seed,
            teacher=self._teacher_model,
            teacher_resolution=self.teacher.target.resolution if self.teacher else None,
            device=self.device,
            workers=self.workers,
        )

    def _evaluate(self, model: torch.nn.Module, target: Target, final: bool, seconds: float) -> Score:
        images = self.data.test if final else self.data.holdout
        metrics = evaluate_target(model, target, images, self.data, self.device, self.workers)
        return Score(
            top1=metrics.top1,
            top5=metrics.top5,
            loss=metrics.loss,
            split="test" if final else "holdout",
            images=metrics.images,
            epochs=self.recipe.epochs,
            seconds=seconds + metrics.seconds,
        )

    def _key(self, target: Target, seed: int, final: bool) -> str:
        """A digest of all that decides the score, so that a kept one is never taken for another."""
        facts = {
            "config": target.config,
            "recipe": asdict(self.recipe),
            "data": [self.data.name, len(self.data.train), len(self.data.holdout), len(self.data.test)],
            "teacher": self.teacher.digest if self.teacher else None,
            "seed": seed,
            "final": final,
        }
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
