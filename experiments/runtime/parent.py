"""Processes that end with the one that started them, also if that is killed."""

import os
import time
from threading import Thread

_PARENT = "SCALER_PARENT"
_POLL_S = 0.5


def environment_of_child() -> dict[str, str]:
    """Return the environment for a process that calls `end_with_parent` and is to end with this one."""
    return {**os.environ, _PARENT: str(os.getpid())}


def end_with_parent(parent: int | None = None) -> None:
    """End this process soon after ``parent`` has ended.

    Args:
        parent: the number of the process that started this one; by default the one that set `environment_of_child`, if any.
    """
    found = parent or int(os.environ.get(_PARENT, "0"))
    if found:
        Thread(target=_watch, args=(found,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)
