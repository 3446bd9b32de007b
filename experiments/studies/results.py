"""The results of a study: JSON that says how it was made, intervals, and tables in Markdown."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scaler.files import write_json

KEPT = Path(__file__).parents[2] / "docs" / "studies"
_PACKAGES = ("numpy", "torch", "timm")


def write_results(out: Path, study: str, settings: Mapping[str, Any], rows: Sequence[Any], summary: Any) -> None:
    """Write ``out``/results.json: the rows, their summary, and the command, versions, machine and date."""
    found = {
        "command": f"python -m experiments.studies.{study} {_options(sys.argv[1:])}".strip(),
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        **settings, "summary": summary, "rows": rows,
    }  # fmt: skip
    write_json(out / "results.json", found)


def shown(interval: Mapping[str, float]) -> str:
    """Return a mean and its interval as text."""
    return f"{interval['mean']:.1f} ({interval['low']:.1f} to {interval['high']:.1f})"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _options(words: Sequence[str]) -> str:
    """The options as they were given, without the places of this machine."""
    return " ".join(_without_place(word, before) for before, word in zip(["", *words], words, strict=False))


def _without_place(word: str, before: str) -> str:
    if before == "--out":
        return "DIR"
    kind, _, place = word.partition(":")
    return f"{kind}:ROOT" if before == "--data" and place else word
