"""Writing a store: a teacher's logits for every view of some epochs, file by file, by one process or several.

A file is written whole or not at all, and its content follows from its place in the store. So any process may write any file, and
writing again completes a store that was broken off anywhere and replaces damaged files.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.data.epoch_order import EpochOrder, epoch_order
from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.data.seeding import restored_generators
from experiments.data.views import AugmentedBatch, Views, batch_request
from experiments.logits.manifest import MANIFEST, Manifest
from experiments.logits.shards import shard_path
from experiments.logits.sparse_logits import SparseLogits
from experiments.logits.store import Place, Store, digests
from experiments.runtime.parent import end_with_parent
from experiments.runtime.progress import meter
from models.networks.model_spec import ModelSpec
from scaler.errors import ScalerError
from scaler.lock import is_empty

ROWS = 16_384  # inputs in a file: the most that a killed process loses
BATCH = 128
_POLL_S = 0.5  # seconds between looks at the other processes' progress

Advance = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class LogitsWriter:
    """A teacher's specification, and the images that it is asked about.

    Attributes:
        data: with the held-out images among those for training.
        workers: processes that load images.
    """

    spec: ModelSpec
    data: ImageData
    device: torch.device
    workers: int

    def write(self, store: Store, places: Sequence[Place], advance: Advance) -> None:
        """Write the files at ``places``, calling ``advance`` with the number of inputs after each batch.

        Raises:
            ScalerError: if an image cannot be read, or the teacher's logits are not finite.
        """
        network = self.spec.build().to(self.device).to(memory_format=torch.channels_last).eval()
        manifest = store.manifest
        views = Views(self.data.train, manifest.augmentation, manifest.seed, manifest.resolution)
        order_of = lru_cache(maxsize=1)(epoch_order)  # takes seconds for millions of images; an epoch's files come in a row
        for epoch, shard in places:
            order = order_of(manifest.seed, epoch, manifest.parts)
            parts = []
            for batch in self._batches(views, order, epoch, store.span(shard)):
                parts.append(self._columns(store, network, batch))
                advance(len(batch.pixels))
            columns = {name: np.concatenate([part[name] for part in parts]) for name in store.layout}
            store.format(shard).write(store.folder, shard_path(epoch, shard), columns)

    def _batches(self, views: Views, order: EpochOrder, epoch: int, span: tuple[int, int]) -> Iterator[AugmentedBatch]:
        start, stop = span
        requests = [batch_request(order, epoch, slice(at, min(at + BATCH, stop))) for at in range(start, stop, BATCH)]
        return views.batches(requests, self.workers, pin_memory=self.device.type == "cuda")

    @torch.inference_mode()
    def _columns(self, store: Store, network: torch.nn.Module, batch: AugmentedBatch) -> dict[str, Any]:
        images = InputFormat.of(self.spec).normalize(batch.pixels.to(self.device, non_blocking=True))
        logits: torch.Tensor = network(images.to(memory_format=torch.channels_last))
        if not logits.isfinite().all():
            raise ScalerError(f"{self.spec.name} gives logits that are not finite: train the teacher again")
        sparse_logits = SparseLogits.of(logits, store.manifest.topk, store.manifest.temperature)
        encoded = store.encoding.encode(SparseLogits(*(column.cpu() for column in sparse_logits)))
        return {**encoded, "digest": digests(batch.pixels.numpy())}


def write_store(writer: LogitsWriter, manifest: Manifest, folder: Path, processes: int = 1) -> Store:
    """Write the store of ``manifest`` to ``folder``, or complete or repair the one that is there.

    Raises:
        ScalerError: if ``folder`` holds something else, or the teacher's logits cannot be computed.
    """
    store = _open_or_create(manifest, folder)
    places = store.damaged()
    total = manifest.epochs * manifest.length
    left = sum(stop - start for start, stop in (store.span(shard) for _, shard in places))
    with restored_generators(), meter("teaching", total, total - left, "inputs") as progress:
        if processes > 1 and len(places) > 1:
            _write_in_processes(writer, store, places, min(processes, len(places)), progress.advance)
        else:
            writer.write(store, places, progress.advance)
    for stale in folder.rglob(".*.tmp"):  # of processes that were killed
        stale.unlink(missing_ok=True)
    return Store.open(folder)


def _open_or_create(manifest: Manifest, folder: Path) -> Store:
    if (folder / MANIFEST).exists():
        Manifest.read(folder).require_same(manifest, folder)
    elif not is_empty(folder):
        raise ScalerError(f"{folder} is not empty and holds no {MANIFEST}: choose another --out")
    else:
        manifest.write(folder)
    return Store(folder, manifest)


def _write_in_processes(writer: LogitsWriter, store: Store, places: list[Place], processes: int, advance: Advance) -> None:
    """Share the files out to new processes, and wait for these.

    Raises:
        ScalerError: if one of them fails.
    """
    context = get_context("spawn")
    done, errors = context.Value("q", 0), context.SimpleQueue()
    threads = max(1, torch.get_num_threads() // processes)
    team = [
        context.Process(target=_write_share, args=(writer, store.folder, places[number::processes], threads, done, errors))
        for number in range(processes)
    ]
    try:
        for member in team:
            member.start()
        _follow(team, done, advance)
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
            f"a worker process ended with status {failed[0]}: repeat the command, which continues from the written files"
        )


def _follow(team: Sequence[Any], done: Any, advance: Advance) -> None:
    """Report the progress of the processes ``team``, which count it in ``done``, until all have ended or one has failed."""
    counted = 0
    while (running := [member.sentinel for member in team if member.is_alive()]) and not any(m.exitcode for m in team):
        wait(running, _POLL_S)
        advance(done.value - counted)
        counted = done.value


def _write_share(writer: LogitsWriter, folder: Path, places: list[Place], threads: int, done: Any, errors: Any) -> None:
    """Write the files at ``places``, in a process of its own."""
    parent = parent_process()
    end_with_parent(parent.pid if parent else None)
    torch.set_num_threads(threads)

    def advance(count: int) -> None:
        with done.get_lock():
            done.value += count

    try:
        writer.write(Store(folder, Manifest.read(folder)), places, advance)
    except ScalerError as error:
        errors.put(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
