"""Our training loop against a bare PyTorch loop and one in the manner of timm's train.py: same network, images, transforms.

A round takes some steps of each in turn, so that what else the machine does falls on all alike; figures are medians over rounds.
On a processor, one core, it is the time that the process had, not the clock's. Peak memory is that of a process that runs one
alone.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import torch
from timm.data import create_loader
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter
from torch import nn

from benchmarks.measure import Figures, cold, one_thread
from benchmarks.step import images
from experiments.data.augmentation import Augmentation
from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.data.seeding import restored_generators
from experiments.recipes import RECIPES
from experiments.runtime.processes import pick_device
from experiments.runtime.progress import Meter
from experiments.runtime.signals import StopRequest
from experiments.training.job import Job
from experiments.training.trainer import Trainer
from models.networks.model_spec import ModelSpec, open_model_spec

KINDS = ("ours", "bare", "timm")
_RECIPE = replace(RECIPES["small"], epochs=1000)
_MEMORY_STEPS = 4
_IMAGES = 4096

Steps = Callable[[int], None]


def run(quick: bool) -> Figures:
    one_thread()
    name, batch, rounds, per_round = ("tiny_vit_1m_32", 32, 5, 20) if quick else ("tiny_vit_5m_224", 16, 7, 5)
    with TemporaryDirectory() as folder, restored_generators():
        loops = {kind: training_loop(kind, *seeded(name), batch, Path(folder)) for kind in KINDS}
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(rounds + 1):
            for kind in KINDS if number % 2 else reversed(KINDS):
                took = _step_s(loops[kind], per_round)
                times[kind] += [took] if number else []  # the first allocates memory
    step_s = {kind: median(values) for kind, values in times.items()}
    peak = {kind: float(cold("benchmarks.loop", kind, name, str(batch))[1].splitlines()[-1]) for kind in KINDS}
    return {
        "ours_over_bare": median(a / b for a, b in zip(times["ours"], times["bare"], strict=True)),
        "ours_over_timm": median(a / b for a, b in zip(times["ours"], times["timm"], strict=True)),
        "peak_memory_over_bare": peak["ours"] / peak["bare"],
        "peak_memory_over_timm": peak["ours"] / peak["timm"],
        **{f"{kind}_images_per_s": batch / step_s[kind] for kind in KINDS},
        **{f"{kind}_peak_MiB": peak[kind] for kind in KINDS},
    }


def _step_s(steps: Steps, number: int) -> float:
    clock = perf_counter if torch.cuda.is_available() else process_time
    began = clock()
    steps(number)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (clock() - began) / number


def seeded(name: str) -> tuple[nn.Module, ModelSpec]:
    """Return the network called ``name`` with 10 classes and the same random weights in each call."""
    spec = open_model_spec(name, num_classes=10)
    torch.manual_seed(0)
    return spec.build(), spec


def training_loop(kind: str, model: nn.Module, spec: ModelSpec, batch: int, folder: Path) -> Steps:
    """Return a function that trains ``model`` for some steps, from where the last call left."""
    data = images(10, _IMAGES, max(40, spec.resolution * 8 // 7))
    if kind == "ours":
        return _ours(model, spec, data, batch, folder)
    return (_bare if kind == "bare" else _timm)(model.to(pick_device()).to(memory_format=torch.channels_last), spec, data, batch)


class _EnoughError(Exception):
    """So many steps are done."""


class _Count(Meter):
    """Says nothing, and ends the loop after ``left`` steps."""

    def __init__(self, left: int) -> None:
        super().__init__("benchmark", left, 0, "steps")
        self.left = left

    def advance(self, count: int, note: str = "") -> None:
        self.left -= 1
        if not self.left:
            raise _EnoughError


def _ours(model: nn.Module, spec: ModelSpec, data: ImageData, batch: int, folder: Path) -> Steps:
    recipe = replace(_RECIPE, batch_size=batch)
    job = Job(data=data, recipe=recipe, input_format=InputFormat.of(spec), seed=0)
    trainer, loader = Trainer(model, job, folder), job.loader()

    def steps(number: int) -> None:
        try:
            while True:
                trainer.run_epoch(loader, _Count(number), StopRequest())
        except _EnoughError:
            pass

    return steps


def _adamw(model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of the other loops; fused, as in this project."""
    made: torch.optim.Optimizer = create_optimizer_v2(model, _RECIPE.opt, lr=1e-4, weight_decay=_RECIPE.weight_decay, fused=True)
    return made


def _bare(model: nn.Module, spec: ModelSpec, data: ImageData, batch: int) -> Steps:
    """The least that trains: a loader over the same transform, forward, backward, clip, update."""
    device, views = pick_device(), _views(data, spec.resolution)
    batches = _endless(torch.utils.data.DataLoader(views, batch, shuffle=True, drop_last=True))
    mean, std = (torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (spec.mean, spec.std))
    optimizer = _adamw(model.train())
    criterion = nn.CrossEntropyLoss(label_smoothing=_RECIPE.smoothing)

    def steps(number: int) -> None:
        for _ in range(number):
            pixels, labels = next(batches)
            seen = (pixels.to(device).float() / 255 - mean) / std
            loss = criterion(model(seen.to(memory_format=torch.channels_last)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), _RECIPE.clip_grad)
            optimizer.step()

    return steps


def _timm(model: nn.Module, spec: ModelSpec, data: ImageData, batch: int) -> Steps:
    """As train.py does it: timm's loader with its own transforms, schedule by update, the loss averaged for the log."""
    device, side = pick_device(), spec.resolution
    loader = create_loader(
        _Plain(data), (3, side, side), batch, is_training=True, use_prefetcher=False, num_workers=0, persistent_workers=False,
        scale=_RECIPE.scale, ratio=_RECIPE.ratio, hflip=_RECIPE.hflip, color_jitter=None, interpolation=_RECIPE.interpolation,
        mean=spec.mean, std=spec.std, device=device, pin_memory=device.type == "cuda",
    )  # fmt: skip
    batches, losses = _endless(loader), AverageMeter()
    optimizer = _adamw(model.train())
    schedule, _ = create_scheduler_v2(optimizer, "cosine", num_epochs=1000, step_on_epochs=False, updates_per_epoch=len(loader))
    criterion, updates = nn.CrossEntropyLoss(label_smoothing=_RECIPE.smoothing), iter(range(sys.maxsize))

    def steps(number: int) -> None:
        for _ in range(number):
            pixels, labels = next(batches)
            seen = pixels.to(device=device).contiguous(memory_format=torch.channels_last)
            loss = criterion(model(seen), labels.to(device=device))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), _RECIPE.clip_grad)
            optimizer.step()
            optimizer.zero_grad()
            losses.update(loss.item(), len(pixels))
            schedule.step_update(next(updates), metric=losses.avg)

    return steps


class _Plain(torch.utils.data.Dataset[Any]):
    """Images and labels, through ``transform``."""

    def __init__(self, data: ImageData, transform: Any = None) -> None:
        self.data, self.transform, self.labels = data, transform, data.train.labels.tolist()

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.data.train.image(index)), self.labels[index]

    def __len__(self) -> int:
        return len(self.labels)


def _views(data: ImageData, resolution: int) -> _Plain:
    return _Plain(data, Augmentation.of(_RECIPE, data.hflip).transform(resolution))


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _peak() -> float:
    """MiB that this process, or on a GPU its tensors, have held at most."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    # Not ru_maxrss, which a new process takes over from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


if __name__ == "__main__":
    one_thread()
    with TemporaryDirectory() as place:
        training_loop(sys.argv[1], *seeded(sys.argv[2]), int(sys.argv[3]), Path(place))(_MEMORY_STEPS)
    print(_peak())
