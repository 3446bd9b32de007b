"""Reading a store: what a teacher said to the inputs at some places of an epoch's order."""

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
    """16 bits of the xxh3 of each input (B, 3, R, R): a change that touches several inputs cannot hide."""
    return np.array([xxh3_64_intdigest(image.tobytes()) & 0xFFFF for image in pixels], np.uint16)


class Store:
    """The stored logits in ``folder``. Opened in the time that it takes to list the files; see `verify`."""

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
        """Raises ScalerError where a file is missing or not of its size, or there is no store."""
        store = cls(folder, Manifest.read(folder))
        store._require(list(store.missing()))
        return store

    @property
    def bytes_per_view(self) -> float:
        """Bytes on disk for each input of each epoch, headers included."""
        return sum(self.format(shard).size for shard in range(self.shards)) / self.manifest.length

    def format(self, shard: int) -> ShardFormat:
        return self._last if shard == self.shards - 1 else self._whole

    def span(self, shard: int) -> tuple[int, int]:
        """The places in the epoch's order whose inputs are in ``shard``: first, and one past the last."""
        return shard * self.manifest.rows, shard * self.manifest.rows + self.format(shard).rows

    def missing(self) -> Iterator[Place]:
        """Files that are not there or have not their size; no file is opened."""
        for epoch in range(self.manifest.epochs):
            folder = self.folder / shard_path(epoch, 0).parent
            sizes = {entry.name: entry.stat().st_size for entry in os.scandir(folder)} if folder.is_dir() else {}
            for shard in range(self.shards):
                if sizes.get(shard_path(epoch, shard).name) != self.format(shard).size:
                    yield epoch, shard

    def damaged(self) -> list[Place]:
        """Files that are not as they were written, missing ones included; reads every byte once."""
        missing = set(self.missing())
        places = [(epoch, shard) for epoch in range(self.manifest.epochs) for shard in range(self.shards)]
        present = [place for place in places if place not in missing]
        with ThreadPoolExecutor() as pool, meter("checking the stored logits", len(present), unit="files") as shown:
            for place, fault in zip(present, pool.map(self._fault, present), strict=True):
                shown.advance(1)
                missing |= {place} if fault else set()
        return sorted(missing)

    def verify(self) -> None:
        """Check every file against its checksum, before anything is trained.

        Raises:
            ScalerError: some do not match; the message names one and says how they are made again.
        """
        self._require(self.damaged())

    def answers(self, epoch: int, places: NDArray[np.int64]) -> SparseLogits:
        """The teacher's answers to the inputs at ``places`` of the order of ``epoch``, which is counted round."""
        return self.encoding.decode(self._gather(epoch, places, tuple(self.encoding.layout())))

    def digests(self, epoch: int, places: NDArray[np.int64]) -> NDArray[np.uint16]:
        """The digests of those inputs."""
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
