"""Errors that a user can act on: each names the value, the rule and the way out."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class ScalerError(Exception):
    """The request cannot be met. The command line prints the message and exits with status 2."""


class InfeasibleError(ScalerError):
    """No architecture of the space meets the budget."""


class DivergedError(ScalerError):
    """Training met a loss that is not finite; the message names the step and the last good checkpoint."""


class UnknownNameError(ScalerError):
    """A name that is not among the known ones.

    Args:
        kind: what the name should have been, for example ``"seed"``.
        name: the value that was given.
        known: every name that would have been accepted.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names[:12])}"
        super().__init__(f"unknown {kind} {name!r}: {hint} (`scaler list` shows all)")


class DamagedFileError(ScalerError):
    """A file that was written here cannot be read back as it was.

    Args:
        path: the file.
        reason: what is wrong with it.
        remedy: the way out.
    """

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path} is damaged ({reason}): {remedy}")


class BusyError(ScalerError):
    """Another process works in the same folder."""
