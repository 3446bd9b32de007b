"""Axes as users write them: their form, and the variables that they stand for."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaler.cost.architecture import Value
from scaler.errors import ScalerError, UnknownNameError

Choices = tuple[Value, ...]

_LIMIT = 10**6  # above any value that an axis has in any network


def variables_of(axes: Mapping[str, Sequence[Any]]) -> dict[str, Choices]:
    """Return the variables of axes (as in an axes file): ``{"depths": [[1], [1, 2]]}`` gives ``depths[0]`` and ``depths[1]``."""
    found: dict[str, Choices] = {}
    for axis, entries in axes.items():
        staged = any(isinstance(entry, list | tuple) for entry in entries)
        for name, choices in [(f"{axis}[{i}]", entry) for i, entry in enumerate(entries)] if staged else [(axis, entries)]:
            found[name] = tuple(sorted(set(choices)))
    return found


def narrowed(axes: Mapping[str, Any], changes: Mapping[str, Any], stages: int = 0, either: Sequence[str] = ()) -> dict[str, Any]:
    """Return ``axes`` with those named in ``changes`` replaced, each checked for its form.

    Args:
        axes: a space's own axes.
        changes: axes as a user wrote them.
        stages: the number of lists that a per-stage axis needs.
        either: per-stage axes that may also be given as one list of choices for all stages.

    Raises:
        ScalerError: an unknown axis, or choices that are not of the axis's form.
    """
    for axis, entries in changes.items():
        if axis not in axes:
            raise UnknownNameError("axis", axis, axes)
        staged = isinstance(axes[axis][0], list) and not (axis in either and not is_nested(entries))
        check_form(axis, entries, stages if staged else 0, whole=_is_whole(axes[axis]))
    return {**axes, **changes}


def is_nested(entries: Any) -> bool:
    """Return whether choices are written by stage."""
    return isinstance(entries, list) and any(isinstance(entry, list) for entry in entries)


def check_form(axis: str, entries: Any, stages: int, *, whole: bool) -> None:
    """Check that choices are lists of positive numbers.

    Args:
        stages: the number of lists; 0 for one list that is not nested.
        whole: whether the numbers must be integers.

    Raises:
        ScalerError: they are not; the message names the axis and its form.
    """
    lists = entries if stages else [entries]
    form = f"a list of choices for each of {stages} stages" if stages else "one list of choices"
    numbers = "whole numbers" if whole else "numbers"
    rule = f"axis {axis!r} = {entries!r}: it takes {form}, each a list of positive {numbers} up to a million"
    if not isinstance(lists, list) or (stages and len(lists) != stages):
        raise ScalerError(rule)
    for choices in lists:
        good = isinstance(choices, list) and choices and all(_is_choice(choice, whole) for choice in choices)
        if not good:
            raise ScalerError(rule)


def _is_choice(choice: Any, whole: bool) -> bool:
    return isinstance(choice, int if whole else int | float) and not isinstance(choice, bool) and 0 < choice <= _LIMIT


def _is_whole(entries: Sequence[Any]) -> bool:
    """True if all choices are integers; ``entries`` are choices, or a list of them by stage."""
    return all(_is_whole(entry) if isinstance(entry, list) else isinstance(entry, int) for entry in entries)
