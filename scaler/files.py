"""Files that are whole or absent: written beside their place, synced, then renamed into it."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from scaler.errors import ScalerError

# Errors of a place that the user chose: full, read-only, forbidden, or no name that the file system takes.
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_NAME = {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP}
PLACE_ERRORS = _FULL | _FORBIDDEN | _NO_NAME | {errno.EIO}

_MOST_BYTES = 240  # of a name; file systems take 255, and temporary names are longer


def place_error(error: OSError) -> str:
    """Return one line about an error in `PLACE_ERRORS`: the place, the reason and the way out."""
    way_out = "make room, and the same command continues" if error.errno in _FULL else "choose another place"
    return f"cannot use {error.filename or 'the output folder'} ({error.strerror}): {way_out}"


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill a temporary file in ``path``'s folder, then rename it to ``path``; nothing stays on failure.

    Raises:
        ScalerError: if the folder cannot be made, or the disk is full or not writable.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        if error.errno not in PLACE_ERRORS:
            raise
        error.filename = str(path)
        raise ScalerError(place_error(error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path, way_out: str = "give another place") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScalerError(f"cannot make the folder {folder} ({error.strerror}): {way_out}") from error


def inside(folder: Path, name: str) -> Path:
    """Return the path of ``name`` in ``folder``.

    Raises:
        ScalerError: if ``name``, which may come from a file of someone else, is not the name of a single file or folder.
    """
    if name in ("", ".", "..") or not {"/", "\\", "\0"}.isdisjoint(name) or len(name.encode(errors="replace")) > _MOST_BYTES:
        raise ScalerError(
            f"{name[:60]!r} cannot be a name in {folder}: it must be one file name, without a separator, of at most "
            f"{_MOST_BYTES} bytes"
        )
    return folder / name


def cache_folder() -> Path:
    """Return this user's folder for files that can be made again, as the platform has it.

    Raises:
        ScalerError: it cannot be made or written to.
    """
    folder = user_cache_path("scaler", appauthor=False)
    way_out = "set XDG_CACHE_HOME to a folder that you can write to"
    make_folder(folder, way_out)
    if not os.access(folder, os.W_OK):
        raise ScalerError(f"cannot write to the cache folder {folder}: {way_out}")
    return folder


def write_bytes(path: Path, data: bytes) -> None:
    write_atomic(path, lambda temporary: _write(temporary, data))


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=2) + "\n")


def append_line(path: Path, line: str) -> None:
    """Append a line to ``path`` with one call, synced; a torn last line, of a process that was killed, is cut off first.

    Raises:
        ScalerError: if the folder cannot be made, or the disk is full or not writable.
    """
    make_folder(path.parent)
    try:
        with path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in PLACE_ERRORS:
            raise
        raise ScalerError(place_error(error)) from error


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
