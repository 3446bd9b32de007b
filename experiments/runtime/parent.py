"""Processes that end with the one that started them, also if that is killed."""

import os
import sys
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


def wait_for_parent() -> None:
    """Wait until the process that set `environment_of_child` writes a line to this one; end if it ends without one.

    Return at once in a process that has no such parent.
    """
    if _PARENT in os.environ and not sys.stdin.readline():
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)
