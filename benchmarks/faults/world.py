"""The folders that are damaged, each made by the command line from a few scans of digits."""

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.faults.judge import Ran, run_words
from benchmarks.faults.surroundings import quick_measurements

SEED = "tiny_vit_1m_32"
_AXES = {"embed_dims": [[16], [16], [16, 32], [32]], "depths": [[1], [1], [1, 2], [1]], "head_dim": [16], "resolution": [16, 24]}
_SIZE = ("--train-images", "60")
DATA = ("--data", "digits", *_SIZE)


@dataclass(frozen=True, kw_only=True)
class World:
    """Folders to damage.

    Attributes:
        commands: by the folder's name, the words that made it, without ``--out``.
    """

    root: Path
    commands: dict[str, tuple[str, ...]]

    def files(self, name: str) -> list[str]:
        """Return the paths of the files in a folder, relative to it."""
        folder = self.root / name
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")

    @property
    def axes(self) -> Path:
        return self.root / "axes.json"


def make_world(root: Path) -> World:
    """Make all folders in ``root``, which takes about twenty seconds.

    Raises:
        RuntimeError: if a command fails.
    """
    (root / "axes.json").write_text(json.dumps(_AXES), encoding="utf-8")
    _write_images(root / "images")
    axes = ("--axes", str(root / "axes.json"))
    search = ("search", SEED, *axes, "--budget", "flops=1M", *DATA, "--trials", "3")
    slow = ("train", str(root / "small"), *DATA, "--epochs", "3", "--batch-size", "16", "--save-every", "0")
    commands: dict[str, tuple[str, ...]] = {
        "small": ("sample", SEED, *axes, "--budget", "flops=1M", "--num-classes", "10"),
        "trained": ("train", str(root / "small"), *DATA, "--epochs", "1"),
        "search": search,
        "logits": ("teach", str(root / "trained"), *DATA, "--epochs", "1", "--topk", "3"),
        "seen": ("train", str(root / "small"), "--data", f"folder:{root / 'images'}", "--epochs", "1"),
        "interrupted": slow,
        "pruned": (*search, "--pruner", "halving", "--seed", "1"),
        "shrunk": ("shrink", str(root / "trained"), "--budget", "flops=60%"),
    }
    for name in ("small", "trained", "search", "logits", "seen", "shrunk"):
        _require(run_words([*commands[name], "--out", str(root / name)]), 0)
        if name == "small":
            _move_up(root / name)
    with quick_measurements(root / "cache"):
        _require(run_words(["latency", SEED, *axes, "--learn"]), 0)
    _interrupt(root / "interrupted", commands["interrupted"], "**/checkpoint-*.pt", 2)
    _interrupt(root / "pruned", commands["pruned"], "**/rungs.json", 1)
    return World(root=root, commands=commands)


def _move_up(folder: Path) -> None:
    """Make the first draw of `scaler sample --out` the folder itself."""
    for path in (folder / "sample-0000").iterdir():
        path.rename(folder / path.name)
    (folder / "sample-0000").rmdir()


def _require(ran: Ran, status: int) -> None:
    if ran.crash or ran.status != status:
        raise RuntimeError(f"{' '.join(ran.words)}: status {ran.status}, not {status}: {ran.crash}\n{ran.err}")


def _interrupt(folder: Path, words: Sequence[str], pattern: str, files: int) -> None:
    """Run a command until ``files`` files of a pattern lie in its folder, then stop it by SIGTERM."""
    done = threading.Event()

    def watch() -> None:
        while not done.is_set() and len(list(folder.glob(pattern))) < files:
            time.sleep(0.002)
        if not done.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    ran = run_words([*words, "--out", str(folder)])
    done.set()
    watcher.join()
    _require(ran, 130)


def _write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, number in (("train", 8), ("val", 3)):
        for label in range(10):
            for i in range(number):
                path = folder / split / f"class-{label}" / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(path)
