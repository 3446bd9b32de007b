"""B10: bytes of a stored view, and views per second written and read, on synthetic answers and one core.

Reading includes decoding into what the loss takes. The peer is the format of TinyViT's save_logits (`original_format`).
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.measure import Figures, median_s, one_thread, seconds
from benchmarks.original_format import Original
from experiments.data.augmentation import Augmentation
from experiments.data.seeding import Indices
from experiments.logits.encoding import ENCODINGS
from experiments.logits.manifest import Manifest
from experiments.logits.shards import shard_path
from experiments.logits.sparse_logits import SparseLogits
from experiments.logits.store import Store
from experiments.logits.writer import ROWS
from experiments.recipes import RECIPES

_BATCH = 1024
_SHAPES = ((10, 1000), (100, 21841))  # K and classes in the original: ImageNet-1k's and ImageNet-22k's
# Source: TinyViT's pretraining: images of ImageNet-22k, and epochs.
IMAGES_22K, EPOCHS_22K = 14_197_122, 90


def run(quick: bool) -> Figures:
    one_thread()
    figures: Figures = {}
    for topk, classes in _SHAPES:
        figures |= compare(topk, classes, shards=(16 if quick else 64) * 10 // topk + 1, repeats=3 if quick else 5)
    for name in ("write_per_s", "sequential_per_s", "random_per_s"):
        figures[name] = figures[f"{name}_k10"]
    for topk in (10, 25, 100):
        figures |= errors(topk, 1000)
    return figures | opening(epochs=10 if quick else EPOCHS_22K)


def compare(topk: int, classes: int, *, shards: int, repeats: int) -> Figures:
    """An epoch of ``shards`` files in both encodings, beside one in the original's format."""
    figures: Figures = {}
    with TemporaryDirectory() as place:
        for encoding, suffix in (("compact", f"k{topk}"), ("fp16", f"k{topk}_fp16")):
            store = _store(Path(place) / encoding, topk, classes, encoding, shards * ROWS)
            answers, length = _answers(topk, classes), store.manifest.length
            for shard in range(shards):
                _write(store, shard, answers)
            reading = _reading(lambda places, store=store: store.logits(0, places), length, repeats)  # type: ignore[misc]
            figures |= {
                f"bytes_per_view_{suffix}": store.bytes_per_view,
                f"share_of_original_{suffix}": store.bytes_per_view / (4 + 4 * topk),
                f"write_per_s_{suffix}": ROWS / median_s(lambda s=store, a=answers: _write(s, 0, a), repeats),  # type: ignore[misc]
                **{f"{name}_{suffix}": value for name, value in reading.items()},
                f"checked_bytes_per_s_{suffix}": store.bytes_per_view * length / seconds(store.verify),
            }
        figures |= _original(Path(place), answers, ROWS * min(shards, 8), repeats, f"k{topk}_original")
    return figures


def errors(topk: int, classes: int) -> Figures:
    """Measure the loss of keeping ``topk`` classes of a synthetic teacher, and the further loss of each encoding.

    ``kl_*`` are divergences from the whole answer, or for an encoding from the kept one. ``gradient`` is the length of the
    difference to the gradient that the whole answer gives an untrained student's logits, over that gradient's length.
    """
    teacher, student = _teacher(4096, classes), 0.1 * torch.randn(4096, classes, generator=_generator(1))
    answers = SparseLogits.of(teacher, topk, 1.0)
    whole, kept = teacher.softmax(1), answers.dense(classes)
    gradient = student.softmax(1) - whole
    figures: Figures = {
        f"kl_kept_k{topk}": _kl(whole, kept),
        f"gradient_k{topk}": float((whole - kept).norm() / gradient.norm()),
    }
    for name, encoding in ENCODINGS.items():
        made = encoding(topk, classes)
        figures[f"kl_{name}_k{topk}"] = _kl(kept, made.decode(made.encode(answers)).dense(classes))
    return figures


def _kl(target: torch.Tensor, other: torch.Tensor) -> float:
    return float((target * (target.double().log() - other.double().log())).sum(1).mean())


def _teacher(rows: int, classes: int) -> torch.Tensor:
    """Logits that are normal with deviation 2, but for one raised by 6 to 14: from undecided to all but certain."""
    logits = 2 * torch.randn(rows, classes, generator=_generator(0))
    logits[:, 0] += torch.linspace(6, 14, rows)
    return logits


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def opening(epochs: int) -> Figures:
    """Seconds to open a store of ImageNet-22k at K = 100, whose files are there in name and size, without their bytes."""
    with TemporaryDirectory() as place:
        store = _store(Path(place), 100, 21841, "compact", IMAGES_22K, epochs)
        for epoch in range(epochs):
            (store.folder / shard_path(epoch, 0)).parent.mkdir()
            for shard in range(store.shards):
                with (store.folder / shard_path(epoch, shard)).open("wb") as file:
                    file.truncate(store.format(shard).size)
        opened_s = seconds(lambda: Store.open(store.folder))
    return {
        "opened_files": epochs * store.shards,
        "opened_gb": epochs * IMAGES_22K * store.bytes_per_view / 1e9,
        "opened_s": opened_s,
        "opened_90_epochs_s": opened_s / epochs * EPOCHS_22K,
    }


def _reading(read: Callable[[Indices], object], length: int, repeats: int) -> Figures:
    places = {"sequential_per_s": np.arange(length), "random_per_s": np.random.default_rng(0).permutation(length)}

    def everything(order: Indices) -> None:
        for start in range(0, length, _BATCH):
            read(order[start : start + _BATCH])

    return {name: length / median_s(lambda o=order: everything(o), repeats) for name, order in places.items()}  # type: ignore[misc]


def _original(folder: Path, answers: SparseLogits, length: int, repeats: int, suffix: str) -> Figures:
    original = Original(folder / "original", answers.classes.shape[1])
    kept, _ = answers.probabilities(21841)
    records = length // ROWS * [(answers.classes.numpy(), kept.numpy())]
    write_s = median_s(lambda: original.write(records), repeats)
    original.open()
    reading = _reading(original.read, length, repeats)
    return {f"write_per_s_{suffix}": length / write_s} | {f"{name}_{suffix}": value for name, value in reading.items()}


def _write(store: Store, shard: int, answers: SparseLogits) -> None:
    columns = {**store.encoding.encode(answers), "digest": np.zeros(len(answers.rest), np.uint16)}
    store.format(shard).write(store.folder, shard_path(0, shard), columns)


def _answers(topk: int, classes: int) -> SparseLogits:
    """A file of answers, each 16 times over."""
    answers = SparseLogits.of(_teacher(ROWS // 16, classes), topk, 1.0)
    return SparseLogits(*(column.repeat(16, *[1] * (column.ndim - 1)) for column in answers))


def _store(folder: Path, topk: int, classes: int, encoding: str, length: int, epochs: int = 1) -> Store:
    manifest = Manifest(
        teacher="synthetic", resolution=224, mean=(0.5,) * 3, std=(0.5,) * 3, num_classes=classes, topk=topk, temperature=1.0,
        encoding=encoding, epochs=epochs, seed=0, data="synthetic", parts=(length,), images="synthetic", train_images=None,
        augmentation=Augmentation.of(RECIPES["small"], hflip=True), rows=ROWS,
    )  # fmt: skip
    manifest.write(folder)
    return Store(folder, manifest)
