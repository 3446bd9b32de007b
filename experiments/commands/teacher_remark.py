"""A remark on a teacher whose own score is poor."""

import json
from pathlib import Path

from experiments.runtime.console import is_main_process, say
from experiments.scoring.score import SCORE

_POOR = 60.0  # percent


def remark_on_teacher(name: str | None, num_classes: int) -> None:
    """Print a line if the score that is kept beside the teacher called ``name`` is poor: see `poor_below`."""
    kept = _kept_score(Path(name)) if name else None
    if kept is not None and kept[0] < poor_below(num_classes) and is_main_process():
        say(f"the teacher's top-1 on the {kept[1]} split is {kept[0]:.1f} %: train it longer, its students learn from it")


def poor_below(num_classes: int) -> float:
    """Return the top-1 below which a teacher is poor: 60 %, or for up to three classes twice chance, but 75 % for two."""
    chance = 100 / num_classes
    return max(_POOR, min(2 * chance, (100 + chance) / 2))


def _kept_score(folder: Path) -> tuple[float, str] | None:
    """Return the top-1 and the split of the score kept in ``folder``; None if there is none that can be read."""
    try:
        kept = json.loads((folder / SCORE).read_text(encoding="utf-8"))
        return float(kept["top1"]), str(kept["split"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
