"""One process at a time in an output folder, by a lock that the operating system releases when its holder dies."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scaler.errors import BusyError
from scaler.files import make_folder

LOCK = ".lock"
_HOLDER = ".lock.holder"


@contextmanager
def only_process_in(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made if it is missing.

    Raises:
        BusyError: if another process holds it; the message names that process.
    """
    from filelock import FileLock, Timeout  # a moment to load, which deciding commands do not have

    make_folder(folder)
    lock, holder = FileLock(folder / LOCK, blocking=False), folder / _HOLDER
    try:
        with lock:
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            yield
    except Timeout as error:
        other = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise BusyError(f"{folder} is in use by {other}: wait until it ends, or choose another --out") from error
