"""A remark on a teacher whose own score is poor."""

from pathlib import Path

from experiments.runtime.console import is_main_process, say
from experiments.scoring.score import SCORE, KeptScore
from scaler.errors import ScalerError
from scaler.json_files import read_sealed
from scaler.results.score import Score

_POOR = 60.0  # percent


def remark_on_teacher(name: str | None, num_classes: int) -> None:
    """Print a line if the score that is kept beside the teacher called ``name`` is poor: see `poor_below`."""
    kept = _kept_score(Path(name)) if name else None
    if kept is not None and kept.metrics.top1 < poor_below(num_classes) and is_main_process():
        top1 = f"the teacher's top-1 on the {kept.split} split is {kept.metrics.top1:.1f} %"
        say(f"{top1}: train it longer, its students learn from it")


def poor_below(num_classes: int) -> float:
    """Return the top-1 below which a teacher is poor: 60 %, or for up to three classes twice chance, but 75 % for two."""
    chance = 100 / num_classes
    return max(_POOR, min(2 * chance, (100 + chance) / 2))


def _kept_score(folder: Path) -> Score | None:
    """Return the score kept in ``folder``; None if there is none that can be read."""
    try:
        return read_sealed(folder / SCORE, KeptScore, "").score
    except (OSError, ScalerError):
        return None
