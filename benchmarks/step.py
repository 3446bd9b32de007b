"""B10: a student's training step from stored logits and with its teacher online, against plain cross-entropy; one core.

All three have the same images, loader, student and optimizer; a round takes a step of each in turn, so that what else the machine
does falls on all alike. Figures are medians over rounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from timm.optim import create_optimizer_v2

from benchmarks.measure import Figures, one_thread, seconds
from experiments.data.augmentation import Augmentation
from experiments.data.image_set import ImageData, ImageSet
from experiments.data.input_format import InputFormat
from experiments.data.sources import Arrays
from experiments.logits.manifest import Manifest
from experiments.logits.store import Store
from experiments.logits.writer import LogitsWriter, write_store
from experiments.losses.distillation import make_task
from experiments.losses.stored_logits import StoredLogitsTask
from experiments.losses.teacher import Teacher
from experiments.recipes import RECIPES
from experiments.training.batches import BatchLoader
from models.networks.model_spec import ModelSpec, open_model_spec

# The smallest published student and the teacher's stand-in; the original's teacher, CLIP's ViT-L/14, has 19 times its FLOPs.
STUDENT, TEACHER = "tiny_vit_5m_224", "tiny_vit_21m_224"
_CPU = torch.device("cpu")
_RECIPE = replace(RECIPES["tiny_vit_in1k"], mixup=0.0, cutmix=0.0, distill=1.0)  # as in TinyViT's distillation
_ROUNDS_FIRST = 1  # not counted: memory is allocated


def run(quick: bool) -> Figures:
    one_thread()
    if quick:
        return compare(topk=10, classes=1000, batch=8, rounds=5)
    figures = compare(topk=10, classes=1000, batch=16, rounds=15)
    return figures | {f"{name}_k100": value for name, value in compare(topk=100, classes=21841, batch=16, rounds=15).items()}


def compare(*, topk: int, classes: int, batch: int, rounds: int, student: str = STUDENT, teacher: str = TEACHER) -> Figures:
    """Seconds of a step of each kind, and their ratios to plain cross-entropy's."""
    data = images(classes, 4 * batch)
    spec = open_model_spec(teacher, num_classes=classes)
    with TemporaryDirectory() as place:
        store = write_store(LogitsWriter(spec=spec, data=data, device=_CPU, workers=0), _manifest(spec, data, topk), Path(place))
        steps = {
            "plain": _steps(student, data, batch),
            "stored": _steps(student, data, batch, store=store),
            "online": _steps(student, data, batch, spec=spec),
        }
        times = [{name: seconds(step) for name, step in steps.items()} for _ in range(_ROUNDS_FIRST + rounds)][_ROUNDS_FIRST:]
    step_s = {name: median(time[name] for time in times) for name in steps}
    return {
        "stored_over_plain": step_s["stored"] / step_s["plain"],
        "online_over_plain": step_s["online"] / step_s["plain"],
        **{f"{name}_s": value for name, value in step_s.items()},
    }


def _steps(
    name: str, data: ImageData, batch: int, *, store: Store | None = None, spec: ModelSpec | None = None
) -> Callable[[], object]:
    """A function that takes one step of training, loading of its images included."""
    student = open_model_spec(name, num_classes=data.num_classes)
    model = student.build().to(memory_format=torch.channels_last)
    loader = BatchLoader(
        data=data, recipe=_RECIPE, seed=0, input_format=InputFormat.of(student), batch_size=batch, device=_CPU, store=store,
    )  # fmt: skip
    teacher = Teacher.of(spec) if spec else None
    task = StoredLogitsTask(model, _RECIPE) if store else make_task(model, teacher, _RECIPE, InputFormat.of(student), _CPU)
    optimizer = create_optimizer_v2(model, _RECIPE.opt, lr=1e-4)
    batches = _endless(loader)

    def step() -> None:
        images, batch_request = next(batches)
        optimizer.zero_grad()
        task(images.to(memory_format=torch.channels_last), batch_request)["loss"].backward()
        optimizer.step()

    return step


def _endless(loader: BatchLoader) -> Iterator[Any]:
    epoch = 0
    while True:
        yield from loader.batches(epoch)
        epoch += 1


def images(classes: int, number: int, side: int = 256) -> ImageData:
    """Noise, ``side`` pixels wide; 256 are what photographs are often kept at."""
    pixels = np.random.default_rng(0).integers(256, size=(number, side, side), dtype=np.uint8)
    everything = ImageSet(Arrays(pixels, np.arange(number) % classes), np.arange(number))
    nothing = replace(everything, indices=np.arange(0))
    return ImageData(name="noise", num_classes=classes, train=everything, holdout=nothing, test=nothing, hflip=True)


def _manifest(spec: ModelSpec, data: ImageData, topk: int) -> Manifest:
    return Manifest(
        teacher="random", resolution=spec.resolution, mean=spec.mean, std=spec.std, num_classes=data.num_classes, topk=topk,
        temperature=_RECIPE.temperature, encoding="compact", epochs=1, seed=0, data=data.name, parts=data.parts,
        images=data.train.digest(), train_images=None, augmentation=Augmentation.of(_RECIPE, data.hflip), rows=len(data.train),
    )  # fmt: skip
