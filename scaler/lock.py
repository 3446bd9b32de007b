"""One process at a time in an output folder, by a lock that the operating system releases when its holder dies."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from scaler.errors import BusyError
from scaler.files import make_folder

if TYPE_CHECKING:
    from filelock import FileLock

LOCK = ".lock"
_HOLDER = ".lock.holder"


@contextmanager
def only_process_in(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made if it is missing; at the end the lock's files are deleted.

    A folder that was made and stays empty is deleted too.

    Raises:
        BusyError: if another process holds it; the message names that process.
    """
    from filelock import Timeout  # a moment to load, which deciding commands do not have

    was_there, holder = folder.exists(), folder / _HOLDER
    try:
        lock = _acquired(folder)
    except Timeout as error:
        raise BusyError(f"{folder} is in use by {_name_in(holder)}: wait until it ends, or choose another --out") from error
    with lock:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        try:
            yield
        finally:
            _clean(folder, keep=was_there)


def is_empty(folder: Path) -> bool:
    """Return True if nothing but a lock is in ``folder``, or it does not exist."""
    return not folder.exists() or all(path.name in (LOCK, _HOLDER) for path in folder.iterdir())


def _acquired(folder: Path) -> "FileLock":
    """Return the held lock of ``folder``, which is made again if the previous holder deletes it at this moment."""
    from filelock import FileLock

    while True:
        make_folder(folder)
        lock = FileLock(folder / LOCK, blocking=False)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue
        return lock


def _name_in(holder: Path) -> str:
    with suppress(OSError):
        return holder.read_text(encoding="utf-8") or "another process"
    return "another process"


def _clean(folder: Path, *, keep: bool) -> None:
    """Delete the files of a lock that is held. One who waits for it finds that the file is gone, and makes another."""
    with suppress(OSError):  # such as a folder that was deleted
        remove = not keep and is_empty(folder)
        for name in (_HOLDER, LOCK):
            (folder / name).unlink(missing_ok=True)
        if remove:
            folder.rmdir()
