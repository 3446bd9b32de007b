"""Trainings of a table: their views, and their rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from experiments.data.input_format import InputFormat
from experiments.data.views import Views
from experiments.ranking.trainings import images_of, initial_network
from experiments.ranking.truth import EQUAL, LONGER
from experiments.training.evaluation import evaluate_model
from experiments.training.job import Job
from experiments.training.loop import train_model
from models.networks.model_spec import model_spec_of
from tests.experiments.logits.small_teacher import ARCH
from tests.experiments.ranking.workshop import SETTINGS, workshop


def test_held_out_images_are_in_no_training() -> None:
    data = images_of(SETTINGS, "digits")
    assert len(data.holdout) == SETTINGS.holdout_images
    for images in (data.train, data.test):
        assert not set(data.holdout.indices.tolist()) & set(images.indices.tolist())


def test_views_are_made_once_and_are_those_of_any_job(tmp_path: Path) -> None:
    shop, spec = workshop(tmp_path), model_spec_of("net", ARCH)
    shared = shop.job(spec, 0, 2)
    names = ("data", "recipe", "input_format", "seed", "store", "device")
    plain = Job(**{name: getattr(shared, name) for name in names})
    for epoch in (0, 1, 0):
        pairs = zip(shared.loader().batches(epoch), plain.loader().batches(epoch), strict=True)
        assert all(torch.equal(one[0], other[0]) for one, other in pairs)
    made: list[int] = []
    views = shared.loader().views
    views.transform = lambda image: made.append(1)  # type: ignore[assignment]
    list(shop.job(spec, 1, 2).loader().batches(1))
    assert not made
    assert isinstance(views, Views)


def test_a_row_is_that_of_the_loop_of_every_command(tmp_path: Path) -> None:
    shop, spec = workshop(tmp_path), model_spec_of("net", ARCH)
    row = shop.train((EQUAL, 3, 1), ARCH)
    job = shop.job(spec, 1, 2)
    model = train_model(initial_network(spec, 1), job, tmp_path / "own")
    metrics = evaluate_model(model, shop.data.test, InputFormat.of(spec), job.device).metrics
    assert abs(row.test_loss - metrics.loss) < 1e-4
    assert abs(row.test_top1 - metrics.top1) < 1e-4
    assert (row.key, row.epochs, row.resolution) == ((EQUAL, 3, 1), 2, 24)
    assert [len(found) for found in (row.train_loss, row.holdout_loss, row.holdout_top1)] == [2, 2, 2]
    assert not list(shop.folder.iterdir())
    assert np.argmin(row.train_loss) == 1
    longer = shop.train((LONGER, 3, 0), ARCH)
    assert len(longer.train_loss) == longer.epochs == 4
    assert replace(longer, group=EQUAL) != row
