"""Accuracy by epochs from inherited and from random weights, by family and budget (`experiments.studies.inherited_start`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Figures, one_thread
from experiments.studies.inherited_start import FAMILIES, STARTS, compare


def run(quick: bool) -> Figures:
    """By family and part of its FLOPs, then by epochs and start, the mean and interval of the test top-1 in percent."""
    one_thread()
    sizes = {"train_images": 120, "seeds_images": 240, "seeds_epochs": 1}
    if quick:
        with TemporaryDirectory() as folder:
            return by_family(compare(Path(folder), "digits", FAMILIES[:1], seeds=2, **sizes))
    sizes = {"train_images": 2000, "seeds_images": 12_000, "seeds_epochs": 5}
    return by_family(compare(Path("runs/inherited-start"), "torch/fashion_mnist:data", FAMILIES, seeds=3, **sizes))


def by_family(summary: Sequence[Mapping[str, Any]]) -> Figures:
    figures: Figures = {}
    for row in summary:
        lengths = figures.setdefault(f"{row['family']} {row['part']}", {})
        lengths |= {f"{row['epochs']} epochs, {start}": row[start] for start in STARTS}
    return figures
