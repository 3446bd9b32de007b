"""Files that are whole or absent: written beside their place, synced, then renamed into it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from scaler.errors import ScalerError


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill a temporary file in ``path``'s folder, then rename it to ``path``; nothing stays on failure.

    Raises:
        ScalerError: the folder cannot be made.
    """
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _make_folder(folder: Path, way_out: str = "give another place") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScalerError(f"cannot make the folder {folder} ({error.strerror}): {way_out}") from error


def cache_folder() -> Path:
    """Return this user's folder for files that can be made again, as the platform has it.

    Raises:
        ScalerError: it cannot be made or written to.
    """
    folder = user_cache_path("scaler", appauthor=False)
    way_out = "set XDG_CACHE_HOME to a folder that you can write to"
    _make_folder(folder, way_out)
    if not os.access(folder, os.W_OK):
        raise ScalerError(f"cannot write to the cache folder {folder}: {way_out}")
    return folder


def write_bytes(path: Path, data: bytes) -> None:
    write_atomic(path, lambda temporary: _write(temporary, data))


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, indent=2) + "\n")


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
