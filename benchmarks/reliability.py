"""`python -m benchmarks.reliability`: the tables of docs/reliability.md, from the results that are kept."""

import json
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_KEPT = _ROOT / "docs" / "studies"
_PARTS = {"ask_ms": "ask", "tell_ms": "tell", "ledger_ms": "ledger", "frontier_ms": "frontier"}


def tables() -> list[str]:
    """Return the tables in Markdown, in the order of the page."""
    return [_kills(_read("kills")), _disturbances(_read("disturbances")), _faults(_read("faults")), _trials(_read("trials"))]


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_KEPT / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _kills(found: dict[str, Any]) -> str:
    rows = [(name, one["kills"], one["ended"], one["different"]) for name, one in found.items()]
    total = tuple(sum(one[key] for one in found.values()) for key in ("kills", "ended", "different"))
    return _table(("command", "kills", "times at its end", "other results"), [*rows, ("all", *total)])


def _disturbances(found: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for jobs in found.values() for name in jobs))
    rows = [(way, *(_counts(jobs[name]) if name in jobs else "not run" for name in names)) for way, jobs in found.items()]
    return _table(("disturbance", *names), rows)


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in found.items() if number or name == "different")


def _faults(found: dict[str, Any]) -> str:
    rows = [("cases", found["cases"]), ("done", found["done"]), ("refused", found["refused"]), ("faults", len(found["faults"]))]
    return _table(("of the generator", "number"), [*rows, ("slowest, s", round(found["slowest_s"], 1))])


def _trials(found: dict[str, Any]) -> str:
    figures = found["figures"]
    rows = []
    for name, after in ((name, after) for name in ("uniform", "surrogate") for after in ("few", "many")):
        one, trials = figures[name][after], 100 if after == "few" else figures["trials"]
        parts = (f"{one[part]:.0f}" for part in _PARTS)
        rows.append((name, f"{trials:,}", f"{one['trial_ms']:.0f}", *parts, f"{one['memory_mb']:.0f}"))
    return _table(("strategy", "trials before", "a trial, ms", *_PARTS.values(), "memory, MB"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    print("\n\n".join(tables()))
