"""Errors that a user can act on: each names the value, the rule and the way out."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

# The kinds of names that `scaler list` shows, and how much of them.
_LISTED = {
    "seed": "`scaler list seeds` shows all",
    "model": "`scaler list seeds` shows the seeds, and any timm model will do",
    "family": "`scaler list families` shows all",
    "space": "`scaler list spaces` shows all",
    "strategy": "`scaler list strategies` shows all",
    "recipe": "`scaler list recipes` shows all",
    "data set": "`scaler list data` shows all",
}
_MOST_KNOWN = 12  # names that are written out where none is close


class ScalerError(Exception):
    """The request cannot be met. The command line prints the message and exits with status 2."""


class InfeasibleError(ScalerError):
    """No architecture of the space meets the budget."""


class DivergedError(ScalerError):
    """Training met a loss that is not finite; the message names the step and the last good checkpoint."""


class InputSizeError(ScalerError):
    """A network does not run on images of the given size."""


class UnknownNameError(ScalerError):
    """A name that is not among the known ones.

    Args:
        kind: the noun for what was expected, for example ``"seed"``.
        name: the value that was given.
        known: every name that would have been accepted.
        near: known names to suggest, the best first; by default the one that is spelled most alike.

    Attributes:
        near: the suggested names, as a tuple; empty where no name is close.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], near: Sequence[str] | None = None) -> None:
        names = sorted(known)
        self.near = tuple(get_close_matches(name, names, n=1, cutoff=0.4) if near is None else near)
        more = f" and {len(names) - _MOST_KNOWN} more" if len(names) > _MOST_KNOWN else ""
        hint = did_you_mean(self.near) or f"known: {', '.join(names[:_MOST_KNOWN])}{more}"
        listed = f" ({_LISTED[kind]})" if kind in _LISTED else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}{listed}")


def did_you_mean(names: Sequence[str]) -> str:
    """Return the question that suggests ``names``; an empty text where there are none."""
    if not names:
        return ""
    *others, last = map(repr, names)
    first = f"{', '.join(others)} or " if others else ""
    return f"did you mean {first}{last}?"


class DamagedFileError(ScalerError):
    """A file that was written here cannot be read back as it was.

    Args:
        path: the file.
        reason: what is wrong with it.
        remedy: the way out.

    Attributes:
        path: the file.
        fault: the file and what is wrong with it, without the way out.
    """

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        self.path, self.fault = path, f"{path} is damaged ({reason})"
        super().__init__(f"{self.fault}: {remedy}")


class BusyError(ScalerError):
    """Another process works in the same folder."""
