"""Training from a store: every student gets the teacher's logits for exactly its own inputs."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.commands.search import search
from experiments.commands.teach import teach
from experiments.commands.train import train
from experiments.data.augmentation import View
from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.data.seeding import restored_generators
from experiments.logits.sparse_logits import SparseLogits
from experiments.logits.store import Store, digests
from experiments.logits.writer import write_store
from experiments.losses.distillation import make_task
from experiments.losses.stored_logits import DistillationTarget, StoredLogitsTask
from experiments.losses.teacher import Teacher
from experiments.options.search import SearchOptions
from experiments.options.train import TeachOptions, TrainOptions
from experiments.training.batches import BatchLoader
from experiments.training.loop import Job, train_model
from models.networks.model_spec import ModelSpec
from models.zoo.families import build
from scaler.errors import ScalerError
from tests.experiments.logits.small_teacher import ARCH, MIXED, SIDE, digits, manifest, teacher, writer

FORMAT = InputFormat(resolution=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)  # not the teacher's
BATCHES = [(64, 0, 1, 0), (50, 1, 1, 0), (36, 2, 2, 0), (30, 4, 1, 0), (24, 0, 2, 3)]  # size, workers, processes, first


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelSpec, Store]:
    folder = tmp_path_factory.mktemp("store")
    spec = teacher(folder / "teacher")
    return spec, write_store(writer(spec), manifest(spec), folder / "logits")


def loader(store: Store, data: ImageData, batch: int, **changes: Any) -> BatchLoader:
    arguments: dict[str, Any] = {
        "data": data, "recipe": MIXED, "seed": 77, "input_format": FORMAT, "batch_size": batch,
        "device": torch.device("cpu"), "store": store,
    }  # fmt: skip
    return BatchLoader(**{**arguments, **changes})


def batches(made: BatchLoader, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, SparseLogits]]:
    """Inputs as 8-bit pixels, and their stored logits."""
    with restored_generators():
        for images, target in made.batches(epoch, start):
            assert isinstance(target, DistillationTarget)
            yield ((images * 0.25 + 0.5) * 255).round().to(torch.uint8), target.sparse_logits


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(("batch", "workers", "world", "start"), BATCHES)
def test_the_logits_of_a_batch_are_those_for_its_inputs(
    stored: tuple[ModelSpec, Store], final: bool, batch: int, workers: int, world: int, start: int
) -> None:
    """Bit for bit. The stored epochs are repeated, and a search trains on a part of the stored images."""
    spec, store = stored
    model = spec.build().eval()
    data = digits().for_final_training() if final else digits()
    for epoch in (1, 2) if workers == 0 else (1,):
        for rank in range(world):
            made = loader(store, data, batch, workers=workers, rank=rank, world_size=world)
            found = list(batches(made, epoch, start))
            assert len(found) == len(data.train) // batch - start
            _, _, places = made._order(epoch)
            for step, (pixels, sparse_logits) in enumerate(found, start):
                first = step * batch + rank * (batch // world)
                stored = store.digests(epoch, places[first : first + batch // world])
                assert np.array_equal(digests(pixels.numpy()), stored)
                with torch.no_grad():
                    expected = SparseLogits.of(model(InputFormat.of(spec).normalize(pixels)), 4, MIXED.temperature)
                assert torch.allclose(sparse_logits.dense(10), expected.dense(10), atol=2e-4)


@pytest.mark.parametrize("topk", [9, 10])
def test_the_loss_and_its_gradient_are_those_of_the_teacher_online(
    stored: tuple[ModelSpec, Store], tmp_path: Path, topk: int
) -> None:
    """With one class left out or none, over an epoch, labels mixed in; to the precision of 16-bit gaps."""
    spec, _ = stored
    store = write_store(writer(spec), manifest(spec, topk=topk, epochs=1), tmp_path)
    torch.manual_seed(1)
    student = build(ARCH, drop_path_rate=0.0).train()
    tasks = StoredLogitsTask(student, MIXED), make_task(student, Teacher.of(spec), MIXED, FORMAT, torch.device("cpu"))
    with restored_generators():
        for images, both in loader(store, digits(), 64).batches(0):
            assert isinstance(both, DistillationTarget)
            losses = [task(images, target)["loss"] for task, target in zip(tasks, (both, both.labels), strict=True)]
            ours, online = (torch.cat([g.flatten() for g in torch.autograd.grad(x, student.parameters())]) for x in losses)
            assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-4)
            assert float((ours - online).norm() / online.norm()) < 1e-3


def test_seed_and_epochs_are_the_stores(stored: tuple[ModelSpec, Store]) -> None:
    first = [pixels for pixels, _ in batches(loader(stored[1], digits(), 64), 0)]
    again = [pixels for pixels, _ in batches(loader(stored[1], digits(), 64, seed=78), 2)]
    other = [pixels for pixels, _ in batches(loader(stored[1], digits(), 64), 1)]
    assert torch.equal(torch.cat(first), torch.cat(again))
    assert not torch.equal(torch.cat(first), torch.cat(other))


def test_a_student_of_another_size_has_the_same_answers_and_is_checked(
    stored: tuple[ModelSpec, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [sparse_logits for _, sparse_logits in batches(loader(stored[1], digits(), 64), 0)]
    large = list(batches(loader(stored[1], digits(), 64, input_format=replace(FORMAT, resolution=40)), 0))
    assert large[0][0].shape[-1] == 40
    assert all(torch.equal(a.gap, b.gap) and torch.equal(a.classes, b.classes) for a, (_, b) in zip(own, large, strict=True))
    _spoil(monkeypatch)
    with pytest.raises(ScalerError, match="64 of 64 inputs are not those"):
        next(batches(loader(stored[1], digits(), 64, input_format=replace(FORMAT, resolution=40)), 0))


def test_a_training_at_two_resolutions_is_taught_by_one_store(stored: tuple[ModelSpec, Store], tmp_path: Path) -> None:
    """Every loader checks its first inputs against the store's digests, drawn once more at the teacher's resolution."""
    spec, store = stored
    recipe = replace(MIXED, batch_size=32)
    job = Job(
        data=digits(), recipe=recipe, input_format=FORMAT, seed=0, low_resolution=16, store=store,
        device=torch.device("cpu"),
    )  # fmt: skip
    train_model(spec.build(), job, tmp_path)
    low, own = (next(batches(job.loader(side), 0)) for side in (16, SIDE))
    assert [images.shape[-1] for images, _ in (low, own)] == [16, SIDE]
    assert all(torch.equal(a, b) for a, b in zip(low[1], own[1], strict=True))


def _spoil(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library draws other pixels now."""
    original = View.__call__
    monkeypatch.setattr(View, "__call__", lambda view, image: original(view, image) // 2)


def test_other_inputs_than_the_teachers_name_the_library_that_changed(
    stored: tuple[ModelSpec, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stored[1]
    _spoil(monkeypatch)
    with pytest.raises(ScalerError, match=r"64 of 64 inputs .* the image files have changed"):
        next(batches(loader(store, digits(), 64), 0))
    older = Store(store.folder, store.manifest)
    older.manifest = replace(store.manifest, versions={**store.manifest.versions, "pillow": "12.3.0"})
    with pytest.raises(ScalerError, match=r"pillow was 12\.3\.0 and is .*: install the old version"):
        next(batches(loader(older, digits(), 64), 0))


def test_later_batches_are_checked_too(stored: tuple[ModelSpec, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    made = loader(stored[1], digits(), 2)
    assert sum(len(list(batches(made, epoch))) for epoch in range(3)) == 195
    _spoil(monkeypatch)
    with pytest.raises(ScalerError, match="2 of 2 inputs"):
        list(batches(made, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reprob": 0.0}, r"stored with augmentation.reprob = 0.25, and this run has 0.0"),
        ({"scale": (0.5, 1.0)}, r"stored with augmentation.scale = \(0.6, 1.0\), and this run has \(0.5, 1.0\)"),
        ({"temperature": 1.0}, "stored with temperature = 2.0, and this run has 1.0"),
    ],
)
def test_a_recipe_that_draws_otherwise_is_refused(stored: tuple[ModelSpec, Store], changes: dict[str, Any], message: str) -> None:
    store = stored[1]
    store.manifest.require_fit(digits(), MIXED, store.folder)
    with pytest.raises(ScalerError, match=message):
        store.manifest.require_fit(digits(), replace(MIXED, **changes), store.folder)


def test_other_data_are_refused(stored: tuple[ModelSpec, Store]) -> None:
    data, store = digits(), stored[1]
    other = replace(data, train=data.holdout)
    with pytest.raises(ScalerError, match=r"stored with parts = \(131, 20\), and this run has \(20, 20\)"):
        store.manifest.require_fit(other, MIXED, store.folder)


@pytest.mark.slow
def test_with_the_teacher_alone_in_the_loss_its_answers_are_learned(
    stored: tuple[ModelSpec, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a training that is interrupted ends with the same bits."""
    spec, store = stored
    recipe = replace(MIXED, epochs=12, distill=1.0, mixup=0.0, cutmix=0.0)
    plain = manifest(spec, recipe, epochs=4)
    store = write_store(writer(spec), plain, tmp_path / "logits")
    job = Job(data=digits(), recipe=recipe, input_format=FORMAT, seed=0, store=store, device=torch.device("cpu"))

    def student() -> torch.nn.Module:
        torch.manual_seed(1)
        return build(ARCH)

    model = train_model(student(), job, tmp_path / "whole")
    losses = [float(line.split(",")[1]) for line in (tmp_path / "whole" / "metrics.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0] / 3
    _interrupt(monkeypatch, epoch=5)
    with pytest.raises(KeyboardInterrupt):
        train_model(student(), job, tmp_path / "broken")
    continued = train_model(student(), job, tmp_path / "broken").state_dict()
    assert all(torch.equal(value, continued[name]) for name, value in model.state_dict().items())


def _interrupt(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Once, after the first batch of ``epoch``."""
    original = BatchLoader.batches

    def broken_off(made: BatchLoader, number: int, start: int = 0) -> Iterator[Any]:
        for batch in original(made, number, start):
            yield batch
            if number == epoch:
                monkeypatch.setattr(BatchLoader, "batches", original)
                raise KeyboardInterrupt

    monkeypatch.setattr(BatchLoader, "batches", broken_off)


@pytest.mark.slow
def test_commands_teach_search_and_train_from_one_store(tmp_path: Path) -> None:
    spec = teacher(tmp_path / "teacher")
    arguments: dict[str, Any] = {"data": "digits", "train_images": 151, "epochs": 1, "topk": 3, "out": tmp_path / "logits"}
    found = teach(TeachOptions(teacher=spec.name, **arguments))
    assert found["bytes_per_view"] < 16
    student, common = spec.name, {"data": "digits", "logits": tmp_path / "logits"}
    (chosen,) = search(
        SearchOptions(
            seed_model="tiny_vit_1m_32",
            budget="flops=1M",
            out=tmp_path / "search",
            strategy="uniform",
            trials=1,
            seed=3,
            **common,
        )
    )
    assert json.loads((tmp_path / "search" / "run.json").read_text())["logits"] == found["digest"]
    row = train(TrainOptions(variant=str(chosen.folder), out=tmp_path / "a", epochs=2, seed=3, **common))
    assert (row.epochs, row.seed) == (2, 3)
    with pytest.raises(ScalerError, match="--teacher and --logits: give one of them"):
        train(TrainOptions(variant=student, out=tmp_path / "b", teacher=spec.name, **common))
    with pytest.raises(ScalerError, match="stored with parts = "):
        train(TrainOptions(variant=student, out=tmp_path / "b", train_images=200, **common))
    with pytest.raises(ScalerError, match="--topk 11: digits has 10 classes"):
        teach(TeachOptions(teacher=spec.name, **{**arguments, "topk": 11}))
    with pytest.raises(ScalerError, match="unknown encoding 'compat': did you mean 'compact'"):
        teach(TeachOptions(teacher=spec.name, **arguments, encoding="compat"))
    assert not (tmp_path / "b").exists()
    assert asdict(Store.open(tmp_path / "logits").manifest)["train_images"] == 151
