"""Checkpoints of a training: written whole or not at all, the last two kept, the newest readable one gone on from."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from experiments.runtime.console import say
from scaler.errors import ScalerError
from scaler.files import write_atomic

_KEPT = 2
_UNREADABLE = (RuntimeError, ValueError, LookupError, OSError, EOFError, UnpicklingError)

State = dict[str, Any]


class Checkpoints:
    """The checkpoints in ``folder``, named by the number of updates that they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> list[Path]:
        """The oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, step: int, state: State) -> None:
        write_atomic(self.folder / f"checkpoint-{step:09d}.pt", lambda path: torch.save(state, path))
        for old in self.paths()[:-_KEPT]:
            old.unlink()

    def newest(self) -> State | None:
        """The state, on the processor, of the newest checkpoint that can be read, or None where there is none at all.

        Raises:
            ScalerError: there are some, and none can be read.
        """
        error: Exception | None = None
        for path in reversed(self.paths()):
            try:
                state: State = torch.load(path, map_location="cpu", weights_only=True)
            except _UNREADABLE as unreadable:
                error = error or unreadable
                say(f"{path} is damaged; looking for the one before it")
            else:
                return state
        if error is not None:
            raise refused(self.folder, error) from error
        return None


def refused(folder: Path, error: Exception) -> ScalerError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ScalerError(f"the checkpoint in {folder} is damaged or of another run ({reason}): delete it or choose another --out")
