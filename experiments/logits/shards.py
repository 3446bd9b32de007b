"""The files of a store: columns in safetensors with a checksum over every byte, mapped into memory for reading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from xxhash import xxh3_128, xxh3_128_hexdigest

from experiments.logits.encoding import Columns, ColumnTypes
from scaler.errors import ScalerError
from scaler.files import write_bytes

# All metadata is one entry: safetensors writes several in random order, and files must be the same byte for byte.
_KEY = "scaler"
_BLANK = "0" * 32  # stands for the checksum while it is computed


def shard_path(epoch: int, shard: int) -> Path:
    """Return the path of a shard within its store."""
    return Path(f"epoch-{epoch:04d}") / f"shard-{shard:05d}.safetensors"


class ShardFormat:
    """The format of the files of ``rows`` rows with columns ``layout`` in the store with digest ``store``.

    All these files have the same size.
    """

    def __init__(self, layout: ColumnTypes, rows: int, store: str) -> None:
        self.layout, self.rows, self.store = layout, rows, store
        blank = self._bytes(shard_path(0, 0), {name: np.zeros((rows, *shape), dtype) for name, (dtype, shape) in layout.items()})
        header, start = _header(blank)
        self.size = len(blank)
        self.spans = {name: slice(*(start + offset for offset in header[name]["data_offsets"])) for name in layout}

    def write(self, folder: Path, place: Path, columns: Columns) -> None:
        """Write ``columns`` to the file at ``place`` in ``folder``.

        Raises:
            ScalerError: if the disk refuses it.
        """
        try:
            write_bytes(folder / place, self._bytes(place, columns))
        except OSError as error:
            raise ScalerError(f"cannot write {folder / place} ({error}): free some space and repeat the command") from error

    def fault(self, folder: Path, place: Path) -> str | None:
        """Read all of a file and return its fault in words, or None if it has none."""
        raw = (folder / place).read_bytes()
        if len(raw) != self.size:
            return f"has {len(raw)} bytes, not {self.size}"
        try:
            header, start = _header(raw)
            label = json.loads(header["__metadata__"][_KEY])
            checksum = label["checksum"].encode()
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return "has a damaged header"
        if _checksum(raw, start, checksum) != checksum:
            return "does not match its checksum"
        return None if label == self._label(place, label["checksum"]) else "belongs elsewhere"

    def columns(self, folder: Path, place: Path) -> Columns:
        """Return the columns of a file, mapped into memory."""
        raw = np.memmap(folder / place, np.uint8, mode="r")
        return {name: raw[self.spans[name]].view(dtype).reshape(-1, *shape) for name, (dtype, shape) in self.layout.items()}

    def _bytes(self, place: Path, columns: Columns) -> bytes:
        label = json.dumps(self._label(place, _BLANK), sort_keys=True)
        raw = save({name: np.ascontiguousarray(columns[name]) for name in self.layout}, {_KEY: label})
        return raw.replace(_BLANK.encode(), xxh3_128_hexdigest(raw).encode(), 1)

    def _label(self, place: Path, checksum: str) -> dict[str, str]:
        return {"checksum": checksum, "place": place.as_posix(), "store": self.store}


def _checksum(raw: bytes, start: int, written: bytes) -> bytes:
    """Return the checksum of a file before ``written``, its checksum, was put into its header.

    Args:
        start: offset of the data, at which the header ends.
    """
    hasher = xxh3_128(raw[:start].replace(written, _BLANK.encode(), 1))
    hasher.update(memoryview(raw)[start:])
    return hasher.hexdigest().encode()


def _header(raw: bytes) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file (8 bytes of length, then JSON) and the offset at which the data begin."""
    start = 8 + int.from_bytes(raw[:8], "little")
    return json.loads(raw[8:start]), start
