"""Batches come to the training as it needs them."""

from dataclasses import replace
from pathlib import Path

import torch

from experiments.data.input_format import InputFormat
from experiments.logits.writer import write_store
from experiments.losses.stored_logits import DistillationTarget
from experiments.training.batches import BatchLoader
from tests.experiments.logits.small_teacher import MIXED, SIDE, digits, manifest, teacher, writer

FORMAT = InputFormat(resolution=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)
META = torch.device("meta")  # any device but the processor


def test_images_and_targets_are_on_the_device(tmp_path: Path) -> None:
    spec = teacher(tmp_path / "teacher")
    store = write_store(writer(spec), manifest(spec, epochs=1), tmp_path / "logits")
    loader = BatchLoader(data=digits(), recipe=MIXED, seed=0, input_format=FORMAT, batch_size=64, device=META)
    images, labels = next(loader.batches(0))
    assert isinstance(labels, torch.Tensor)
    assert images.device == labels.device == META
    images, target = next(replace(loader, store=store).batches(0))
    assert isinstance(target, DistillationTarget)
    assert {tensor.device for tensor in (images, target.labels, *target.sparse_logits)} == {META}
