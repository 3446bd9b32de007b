"""The part of the report that says why a search chose what it chose, from its ``result.json``."""

from collections.abc import Mapping
from html import escape
from typing import Any

_AXES = 6  # so many of the most important


def reasons(result: Mapping[str, Any]) -> str:
    """For each budget the reason, the baselines and the neighbours that lost; then which axes mattered."""
    return "".join(_budget(found) for found in result["budgets"]) + _importances(result["importances"])


def _budget(found: Mapping[str, Any]) -> str:
    chosen = found["chosen"]
    winner = f"{chosen['name']} ({chosen['origin']}), {found['reason']}"
    said = f"<p><b>{escape(found['budget'])}</b>: {escape(winner)}.</p>"
    baselines = "".join(
        f"<li>{escape(row['origin'])}: {escape(row['name'])}, {row['top1']:.2f} %</li>" for row in found["baselines"]
    )
    lost = "".join(
        f"<li>{escape(row['name'])}, {row['lost_by']:.2f} points behind: {escape(_changed(row['changed']))}</li>"
        for row in found["neighbours"]
    )
    path = " \u2192 ".join(f"step {step['step'] + 1}" for step in found["path"])
    return f"{said}<p>The best of each origin:</p><ul>{baselines}</ul><p>Its nearest neighbours that lost:</p><ul>{lost}</ul>" + (
        f"<p>Its path from the seed: {path}.</p>" if path else ""
    )


def _changed(changed: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {theirs} instead of {mine}" for name, (mine, theirs) in changed.items())


def _importances(found: Mapping[str, float]) -> str:
    most = sorted(found.items(), key=lambda item: -item[1])[:_AXES]
    rows = ", ".join(f"{escape(name)} {100 * share:.0f} %" for name, share in most)
    return f"<p>What explained the scores (functional ANOVA): {rows}.</p>" if most else ""
