"""The reasons of a search's choices, from its result: neighbours that lost, and the path of a contraction."""

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.report.page_data import Choice, Neighbour
from experiments.report.runs import Run
from experiments.report.wording import plain


def choices_of(run: Run) -> Iterator[Choice]:
    """Yield one choice for each budget of a finished search."""
    return (_choice(found) for found in run.result.get("budgets", ()))


def _choice(found: Mapping[str, Any]) -> Choice:
    neighbours = found["neighbours"]
    mine = {name: plain(values[0]) for row in neighbours for name, values in row["changed"].items()}
    axes = tuple(sorted(mine))
    return Choice(
        budget=found["budget"],
        name=found["chosen"]["name"],
        origin=found["chosen"]["origin"],
        reason=found["reason"],
        axes=axes,
        values=tuple(mine[axis] for axis in axes),
        neighbours=tuple(_neighbour(row, axes) for row in neighbours),
        path=tuple(step["step"] + 1 for step in found["path"]),
    )


def _neighbour(row: Mapping[str, Any], axes: tuple[str, ...]) -> Neighbour:
    """Return a neighbour with its value of each axis that differs from the chosen one's, and an empty text for the others."""
    values = {name: plain(values[1]) for name, values in row["changed"].items()}
    return Neighbour(name=row["name"], lost_by=row["lost_by"], values=tuple(values.get(axis, "") for axis in axes))
