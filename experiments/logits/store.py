"""Reading a store: a teacher's logits for the inputs at some places of an epoch's order."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from experiments.logits.encoding import ENCODINGS, Columns, ColumnTypes
from experiments.logits.manifest import Manifest
from experiments.logits.shards import ShardFormat, shard_path
from experiments.logits.sparse_logits import SparseLogits
from experiments.runtime.progress import meter
from scaler.errors import ScalerError

Place = tuple[int, int]  # epoch, shard
_DIGEST: ColumnTypes = {"digest": (np.dtype(np.uint16), ())}
_MAPPED_MOST = 4096  # files held open at once; Linux maps 65,530


def digests(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return 16 bits of the xxh3 of each input (B, 3, R, R): enough to find a change that touches several inputs."""
    return np.array([xxh3_64_intdigest(image.tobytes()) & 0xFFFF for image in pixels], np.uint16)


class Store:
    """The stored logits in ``folder``. `open` lists the files and checks their sizes; `verify` reads them all."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.encoding = ENCODINGS[manifest.encoding](manifest.topk, manifest.num_classes)
        self.layout = self.encoding.layout() | _DIGEST
        self.shards = -(-manifest.length // manifest.rows)
        self._whole = ShardFormat(self.layout, min(manifest.rows, manifest.length), manifest.digest)
        self._last = ShardFormat(self.layout, manifest.length - (self.shards - 1) * manifest.rows, manifest.digest)
        self._columns = lru_cache(maxsize=_MAPPED_MOST)(self._map)

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Return the store in ``folder``.

        Raises:
            ScalerError: if there is none, or a file is missing or has another size than it should.
        """
        store = cls(folder, Manifest.read(folder))
        store._require(list(store.missing()))
        return store

    @property
    def bytes_per_view(self) -> float:
        """Bytes on disk per input and epoch, headers included."""
        return sum(self.format(shard).size for shard in range(self.shards)) / self.manifest.length

    def format(self, shard: int) -> ShardFormat:
        """Return the format of the files with number ``shard``: the last one of an epoch may be shorter."""
        return self._last if shard == self.shards - 1 else self._whole

    def span(self, shard: int) -> tuple[int, int]:
        """Return the first place in the epoch's order whose input is in ``shard``, and one past the last."""
        return shard * self.manifest.rows, shard * self.manifest.rows + self.format(shard).rows

    def missing(self) -> Iterator[Place]:
        """Yield the files that do not exist or have another size than they should; no file is opened."""
        for epoch in range(self.manifest.epochs):
            folder = self.folder / shard_path(epoch, 0).parent
            sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)} if folder.is_dir() else {}
            for shard in range(self.shards):
                if sizes.get(shard_path(epoch, shard).name) != self.format(shard).size:
                    yield epoch, shard

    def damaged(self) -> list[Place]:
        """Return the missing files and those that are not as they were written; reads every byte once."""
        missing = set(self.missing())
        places = [(epoch, shard) for epoch in range(self.manifest.epochs) for shard in range(self.shards)]
        present = [place for place in places if place not in missing]
        with ThreadPoolExecutor() as pool, meter("checking the stored logits", len(present), unit="files") as shown:
            for place, fault in zip(present, pool.map(self._fault, present), strict=True):
                shown.advance(1)
                missing |= {place} if fault else set()
        return sorted(missing)

    def verify(self) -> None:
        """Check every file against its checksum.

        Raises:
            ScalerError: if some do not match; the message names one, and the command that makes them again.
        """
        self._require(self.damaged())

    def logits(self, epoch: int, places: NDArray[np.int64]) -> SparseLogits:
        """Return the teacher's logits for the inputs at ``places`` of the order of ``epoch``, taken modulo the stored epochs."""
        return self.encoding.decode(self._gather(epoch, places, tuple(self.encoding.layout())))

    def digests(self, epoch: int, places: NDArray[np.int64]) -> NDArray[np.uint16]:
        """Return the digests of the inputs at ``places`` of the order of ``epoch``, taken modulo the stored epochs."""
        found: NDArray[np.uint16] = self._gather(epoch, places, ("digest",))["digest"]
        return found

    def _gather(self, epoch: int, places: NDArray[np.int64], names: tuple[str, ...]) -> Columns:
        found = {name: np.empty((len(places), *self.layout[name][1]), self.layout[name][0]) for name in names}
        shards, rows = np.divmod(places, self.manifest.rows)
        for shard in np.unique(shards).tolist():
            at = np.flatnonzero(shards == shard)
            columns = self._columns(epoch % self.manifest.epochs, shard)
            for name in names:
                found[name][at] = columns[name][rows[at]]
        return found

    def _map(self, epoch: int, shard: int) -> Columns:
        return self.format(shard).columns(self.folder, shard_path(epoch, shard))

    def _fault(self, place: Place) -> str | None:
        return self.format(place[1]).fault(self.folder, shard_path(*place))

    def _require(self, bad: list[Place]) -> None:
        if bad:
            fault = self._fault(bad[0]) if (self.folder / shard_path(*bad[0])).is_file() else "is missing"
            more = f", and {len(bad) - 1} more are missing or damaged" if len(bad) > 1 else ""
            raise ScalerError(
                f"{self.folder / shard_path(*bad[0])} {fault}{more}: `scaler teach` with the arguments of the first time "
                "makes those alone again"
            )
