"""Writing a store: a teacher answers every view of some epochs, file by file, by one process or several.

A file is written whole or not at all, and its content follows from its place in the store. So any process may make any file, a
store that was broken off anywhere is continued by making what is missing, and one that is damaged by making that again.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch

from experiments.data.epoch_order import epoch_order
from experiments.data.image_set import ImageData
from experiments.data.seeding import restored_generators
from experiments.data.views import AugmentedBatch, Views, batch_request, normalised
from experiments.logits.manifest import MANIFEST, Manifest
from experiments.logits.shards import shard_path
from experiments.logits.sparse_logits import SparseLogits
from experiments.logits.store import Place, Store, digests
from experiments.runtime.progress import meter
from models.networks.model_spec import ModelSpec
from scaler.errors import ScalerError

ROWS = 16_384  # inputs in a file: what is lost at most when a process is killed
_BATCH = 128
_LOOK_S = 0.5  # between looks at how far the others are

Tell = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class LogitsWriter:
    """A teacher and the images that it answers: ``data`` with the held-out ones among those for training."""

    spec: ModelSpec
    data: ImageData
    device: torch.device
    workers: int

    def write(self, store: Store, places: Sequence[Place], tell: Tell) -> None:
        """Make the files at ``places``; ``tell`` hears how many inputs were answered."""
        model = self.spec.build().to(self.device).to(memory_format=torch.channels_last).eval()
        manifest = store.manifest
        views = Views(self.data.train, manifest.augmentation, manifest.seed, manifest.resolution)
        order_of = lru_cache(maxsize=1)(epoch_order)  # seconds for millions of images, and files of an epoch come together
        for epoch, shard in places:
            start, stop = store.span(shard)
            order = order_of(manifest.seed, epoch, manifest.parts)
            plan = [batch_request(order, epoch, slice(at, min(at + _BATCH, stop))) for at in range(start, stop, _BATCH)]
            parts = []
            for seen in views.batches(plan, self.workers, pin_memory=self.device.type == "cuda"):
                parts.append(self._columns(store, model, seen))
                tell(len(seen.pixels))
            columns = {name: np.concatenate([part[name] for part in parts]) for name in store.layout}
            store.format(shard).write(store.folder, shard_path(epoch, shard), columns)

    @torch.inference_mode()
    def _columns(self, store: Store, model: torch.nn.Module, seen: AugmentedBatch) -> dict[str, Any]:
        images = normalised(seen.pixels.to(self.device, non_blocking=True), self.spec.mean, self.spec.std)
        logits: torch.Tensor = model(images.to(memory_format=torch.channels_last))
        if not logits.isfinite().all():
            raise ScalerError(f"{self.spec.name} gives logits that are not finite: train the teacher again")
        answers = SparseLogits.of(logits, store.manifest.topk, store.manifest.temperature)
        encoded = store.encoding.encode(SparseLogits(*(column.cpu() for column in answers)))
        return {**encoded, "digest": digests(seen.pixels.numpy())}


def write_store(lesson: LogitsWriter, manifest: Manifest, folder: Path, processes: int = 1) -> Store:
    """Store the answers in ``folder``, or go on with, or repair, what is there.

    Raises:
        ScalerError: ``folder`` holds another store, or the teacher cannot answer.
    """
    store = _begin(manifest, folder)
    places = store.damaged()
    total = manifest.epochs * manifest.length
    left = sum(stop - start for start, stop in (store.span(shard) for _, shard in places))
    with restored_generators(), meter("teaching", total, total - left, "inputs") as shown:
        if processes > 1 and len(places) > 1:
            _together(lesson, store, places, min(processes, len(places)), shown.advance)
        else:
            lesson.write(store, places, shown.advance)
    for stale in folder.rglob(".*.tmp"):  # of processes that were killed
        stale.unlink(missing_ok=True)
    return Store.open(folder)


def _begin(manifest: Manifest, folder: Path) -> Store:
    if (folder / MANIFEST).exists():
        begun = Manifest.read(folder)
        begun.require_same(manifest, folder)
    elif folder.is_dir() and any(folder.iterdir()):
        raise ScalerError(f"{folder} is not empty and holds no {MANIFEST}: choose another --out")
    else:
        manifest.write(folder)
    return Store(folder, manifest)


def _together(lesson: LogitsWriter, store: Store, places: list[Place], processes: int, tell: Tell) -> None:
    """Share the files out to new processes, and wait."""
    context = get_context("spawn")
    done, errors = context.Value("q", 0), context.SimpleQueue()
    threads = max(1, torch.get_num_threads() // processes)
    team = [
        context.Process(target=_member, args=(lesson, store.folder, places[rank::processes], threads, done, errors))
        for rank in range(processes)
    ]
    told = 0
    try:
        for member in team:
            member.start()
        while (running := [m.sentinel for m in team if m.is_alive()]) and not any(member.exitcode for member in team):
            wait(running, _LOOK_S)
            tell(done.value - told)
            told = done.value
    finally:
        for member in team:
            if member.pid is not None:
                member.terminate()
                member.join()
    if not errors.empty():
        raise ScalerError(errors.get())
    failed = [member.exitcode for member in team if member.exitcode]
    if failed:
        raise ScalerError(
            f"a process that teaches ended with status {failed[0]}; the same command goes on from the files written"
        )


def _member(lesson: LogitsWriter, folder: Path, places: list[Place], threads: int, done: Any, errors: Any) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)

    def tell(count: int) -> None:
        with done.get_lock():
            done.value += count

    try:
        lesson.write(Store(folder, Manifest.read(folder)), places, tell)
    except ScalerError as error:
        errors.put(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_parent() -> None:
    """A parent that is killed leaves nobody behind."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
