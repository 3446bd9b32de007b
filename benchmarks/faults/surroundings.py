"""What is around a command that runs: a read-only folder, a folder that another program deletes, and quick measurements."""

import ctypes
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path
from unittest.mock import patch

# Linux's numbers: the version of the structures of `capget`, and the rights to ignore the permissions of files.
_VERSION, _OVERRIDE = 0x20080522, 0b110
_Words = ctypes.c_uint32 * 6  # effective, permitted, inheritable; then the same for rights from 32 on


@contextmanager
def quick_measurements(cache: Path) -> Iterator[None]:
    """Have latencies measured in a moment and kept in ``cache`` while the block runs."""
    with (
        patch.dict(environ, {"XDG_CACHE_HOME": str(cache)}),
        patch.multiple("experiments.search.latency", NETWORKS=10, _SECONDS=0.001),
    ):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing be written in ``folder`` while the block runs, not even by root."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        with _permissions_count():
            yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@contextmanager
def _permissions_count() -> Iterator[None]:
    """Lay down root's right to ignore permissions while the block runs; nothing happens to other users."""
    libc, header, words = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(_VERSION, 0), _Words()
    if libc.capget(header, words):
        raise OSError("the rights of this process cannot be read")
    before = words[0]
    words[0] = before & ~_OVERRIDE
    libc.capset(header, words)
    try:
        yield
    finally:
        words[0] = before
        libc.capset(header, words)


@contextmanager
def vanishing(folder: Path, pattern: str) -> Iterator[None]:
    """Delete ``folder`` as soon as a file in it matches ``pattern`` while the block runs; with an empty pattern do nothing."""
    ended = threading.Event()

    def is_there() -> bool:
        with suppress(OSError):  # of a folder that the command deletes meanwhile
            return any(folder.glob(pattern))
        return False

    def watch() -> None:
        while not ended.is_set() and not is_there():
            time.sleep(0.002)
        if not ended.is_set():
            shutil.rmtree(folder, ignore_errors=True)

    watcher = threading.Thread(target=watch, daemon=True)
    if pattern:
        watcher.start()
    try:
        yield
    finally:
        ended.set()
        if pattern:
            watcher.join()
