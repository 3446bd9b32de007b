"""The table of truth: networks of a space, each trained several times by the recipe of variants."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaler.errors import ScalerError
from scaler.json_files import append_sealed, read_sealed, read_sealed_lines, write_sealed

ORIGIN, TRAININGS = "origin.json", "trainings.jsonl"
EQUAL, RANGE, LONGER = "equal", "range", "longer"
GROUPS = (EQUAL, RANGE, LONGER)
_REMEDY = "restore it, or delete it, and its trainings are run again"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a table.

    Attributes:
        train_images: asked for, a tenth of which is held out and not used.
        epochs: of a training; ``longer`` times as many in the group ``longer``.
        seed_images, seed_epochs: of the seed's training.
        holdout_images: on which every epoch of a training is scored; neither the seed nor a network is trained on them.
        flops: the budget of the group ``equal``, whose members lie within 1 % of it.
        nets: networks in each of the groups ``equal`` and ``range``.
        repeats: trainings of each, from different random weights.
    """

    data: str
    seed_model: str = "tiny_vit_1m_32"
    recipe: str = "small"
    train_images: int = 3000
    epochs: int = 5
    seed_images: int = 10_000
    seed_epochs: int = 10
    holdout_images: int = 1000
    flops: int = 1_500_000
    nets: int = 60
    repeats: int = 3
    longer: int = 5
    longer_nets: int = 6
    topk: int = 5

    def epochs_in(self, group: str) -> int:
        """Return the epochs of a training of ``group``."""
        return self.epochs * (self.longer if group == LONGER else 1)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The origin of a table: its settings, the command that made it, the versions of its packages, and the machine."""

    settings: Settings
    command: str
    versions: dict[str, str]
    machine: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a network.

    Attributes:
        group: one of `GROUPS`.
        net: number of the network in the group; in ``longer``, that of the network in ``equal``.
        repeat: of the training: the seed of the initial weights.
        epochs: of the training.
        arch: the architecture; see `Architecture.to_dict`.
        train_loss: mean over the updates of each epoch.
        holdout_loss, holdout_top1: after each epoch; cross-entropy, and percent.
        test_loss, test_top1: after the last epoch.
        seconds: of wall time, without the evaluations.
    """

    group: str
    net: int
    repeat: int
    epochs: int
    arch: dict[str, Any]
    flops: int
    params: int
    resolution: int
    train_loss: tuple[float, ...]
    holdout_loss: tuple[float, ...]
    holdout_top1: tuple[float, ...]
    test_loss: float
    test_top1: float
    seconds: float

    @property
    def key(self) -> tuple[str, int, int]:
        """Group, network and repeat, which name a training."""
        return self.group, self.net, self.repeat


class TruthTable:
    """The table in ``folder``: its `Origin`, and the trainings that are finished, in the order in which they ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, origin: Origin) -> None:
        """Write the origin, or check that the table's settings are those of ``origin``.

        Raises:
            ScalerError: if they are others.
        """
        path = self.folder / ORIGIN
        if not path.exists():
            write_sealed(path, origin)
        elif self.settings != origin.settings:
            raise ScalerError(f"{path} holds other settings than {origin.settings}: give those, or another --out")

    @property
    def settings(self) -> Settings:
        """The settings that every training of the table shares."""
        return read_sealed(self.folder / ORIGIN, Origin, _REMEDY).settings

    def trainings(self) -> list[Training]:
        """Return the finished trainings."""
        return read_sealed_lines(self.folder / TRAININGS, Training, _REMEDY)

    def add(self, training: Training) -> None:
        """Append a finished training at once."""
        append_sealed(self.folder / TRAININGS, training)


def machine() -> str:
    """Return the processor's name and the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores"
