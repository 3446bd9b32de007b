"""Which images `scaler evaluate` takes, by the variant's note."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.commands import evaluate as evaluate_module
from experiments.commands.evaluate import evaluate
from experiments.commands.inputs import open_inputs
from experiments.data.datasets import open_data
from experiments.data.image_set import ImageSet
from experiments.options.search import SearchOptions
from experiments.options.train import EvaluateOptions, TrainOptions
from experiments.training.evaluation import Evaluation
from models.networks.model_spec import model_spec_of
from scaler.errors import ScalerError
from scaler.results.score import Metrics
from scaler.results.variant import TrainedOn
from tests.experiments.scoring.test_backend import ARCH, NOTE


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[ImageSet]:
    """The image sets that were evaluated."""
    sets: list[ImageSet] = []

    def fake(spec: object, images: ImageSet, *_: object) -> Evaluation:
        sets.append(images)
        return Evaluation(metrics=Metrics(top1=1, top5=2, loss=3, images=len(images)), seconds=1)

    monkeypatch.setattr(evaluate_module, "evaluate_spec", fake)
    return sets


def variant(folder: Path, trained_on: TrainedOn) -> str:
    spec = model_spec_of("tiny", ARCH)
    spec.write(folder, replace(NOTE, trained_on=trained_on), spec.build().state_dict())
    return str(folder)


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("split", ["holdout", "train"])
def test_images_are_split_as_in_the_variants_training(
    tmp_path: Path, scored: list[ImageSet], split: str, share: float | None
) -> None:
    name = variant(tmp_path, TrainedOn(part="train", data="digits", train_images=200, seed=3, holdout_share=share))
    evaluate(EvaluateOptions(variant=name, data="digits", split=split))
    data = open_data("digits", train_images=200, seed=3, holdout_share=share or 0.1)
    assert np.array_equal(scored[0].indices, {"holdout": data.holdout, "train": data.train}[split].indices)


def test_a_search_holds_out_more_images_than_a_training_and_trains_finally_on_as_many(tmp_path: Path) -> None:
    request: dict[str, Any] = {"data": "digits", "train_images": 200, "out": tmp_path}
    search = SearchOptions(seed_model="tiny_vit_1m_32", budget="flops=1M", **request)
    of_search, half, of_training = (
        open_inputs(options).images
        for options in (search, replace(search, holdout_share=0.5), TrainOptions(variant="tiny_vit_1m_32", **request))
    )
    assert [len(images.holdout) for images in (of_search, half, of_training)] == [40, 100, 20]
    assert {len(images.for_final_training().train) for images in (of_search, half, of_training)} == {200}


def test_held_out_images_that_were_trained_on_are_refused(tmp_path: Path, scored: list[ImageSet]) -> None:
    name = variant(tmp_path, TrainedOn(part="all", data="digits", train_images=200, seed=3))
    with pytest.raises(ScalerError, match=r"on all training images of digits, held-out ones included: evaluate --split test$"):
        evaluate(EvaluateOptions(variant=name, data="digits", split="holdout"))
    evaluate(EvaluateOptions(variant=name, data="digits", split="test"))
    assert [len(images) for images in scored] == [359]


def test_an_unknown_training_is_remarked_on(tmp_path: Path, scored: list[ImageSet], capsys: pytest.CaptureFixture[str]) -> None:
    name = variant(tmp_path, TrainedOn())
    evaluate(EvaluateOptions(variant=name, data="digits", split="holdout"))
    assert "does not say on which images it was trained" in capsys.readouterr().err
    assert len(scored[0]) == 143
