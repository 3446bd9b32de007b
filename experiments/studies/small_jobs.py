"""Every command that works long, as one of seconds on a few scans of digits, with the part of its result that must not change."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaler.results.ledger import Ledger
from scaler.results.variant import WEIGHTS

_SEED = "tiny_vit_1m_32"
_AXES = {"embed_dims": [[16], [16], [16, 32], [32]], "depths": [[1], [1], [1, 2], [1]], "head_dim": [16], "resolution": [16, 24]}
_DATA = ("--data", "digits", "--train-images", "100")

Runner = Callable[[Sequence[str], Path], None]  # of the words and the file for what is printed


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command.

    Attributes:
        words: without ``--out``.
        result: reads what must be equal in two folders of the same command; times are left out.
        has_workers: it starts worker processes.
    """

    name: str
    words: tuple[str, ...]
    result: Callable[[Path], Any]
    has_workers: bool = False

    def command(self, out: Path) -> list[str]:
        """Return the words with the folder of the results."""
        return [*self.words, "--out", str(out)]


def make_jobs(inputs: Path, runner: Runner) -> list[Job]:
    """Return all jobs; the variant and the teacher that they start from are made in ``inputs`` if they are not there."""
    axes, small, trained = inputs / "axes.json", inputs / "drawn" / "sample-0000", inputs / "trained"
    if not trained.exists():
        inputs.mkdir(parents=True, exist_ok=True)
        axes.write_text(json.dumps(_AXES), encoding="utf-8")
        under = ("--axes", str(axes), "--budget", "flops=1M")
        drawn = ("sample", _SEED, *under, "--num-classes", "10", "--out", str(small.parent))
        runner(drawn, inputs / "log")
        runner(("train", str(small), *_DATA, "--epochs", "2", "--out", str(trained)), inputs / "log")
    search = ("search", _SEED, "--axes", str(axes), "--budget", "flops=1M", *_DATA, "--trials", "6", "--pruner", "halving")
    train = ("train", str(small), *_DATA, "--epochs", "6", "--batch-size", "32", "--save-every", "0", "--loader-workers", "1")
    teach = ("teach", str(trained), *_DATA, "--epochs", "60", "--topk", "3")
    shrink = ("shrink", str(trained), "--budget", "flops=70%", *_DATA, "--epochs", "5", "--batch-size", "32", "--save-every", "0")
    return [
        Job(name="search", words=(*search, "--workers", "1"), result=_search),
        Job(name="search with workers", words=(*search, "--workers", "3", "--threads", "1"), result=_search, has_workers=True),
        Job(name="train", words=train, result=_model),
        Job(name="teach", words=teach, result=_files),
        Job(name="shrink", words=shrink, result=_model),
    ]


def _search(out: Path) -> Any:
    folders = sorted((*(out / "variants").iterdir(), *(out / "baselines").iterdir()))
    return _rows(out), [json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in folders]


def _model(out: Path) -> Any:
    return _rows(out), _digest(out / WEIGHTS)


def _files(out: Path) -> Any:
    return {str(path.relative_to(out)): _digest(path) for path in sorted(out.rglob("*")) if path.is_file()}


def _rows(out: Path) -> list[str]:
    """Return the rows of the ledger without their times, in the order of the trials."""
    found = [replace(row, score=replace(row.score, seconds=0.0)) for row in Ledger(out / "ledger.csv")]
    return sorted(map(repr, found))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
