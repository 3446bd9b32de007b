"""The format of TinyViT's save_logits: the peer of our store, without the queue between its processes, so faster than it was.

A text file of keys, one a line, and a file of records: a 32-bit seed, K 16-bit classes, K 16-bit probabilities. A reader holds
all keys in a dictionary, from which an image's record is found.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Original:
    """Records of ``topk`` classes in ``folder``."""

    def __init__(self, folder: Path, topk: int) -> None:
        folder.mkdir()
        self.keys, self.values, self.topk = folder / "rank0-keys.txt", folder / "rank0-values.bin", topk
        self.size = 4 + 4 * topk
        self.index: dict[str, int] = {}

    def write(self, parts: Iterable[tuple[Array, Array]]) -> None:
        """``parts``: classes and probabilities, each (rows, K)."""
        count = 0
        with self.keys.open("w") as keys, self.values.open("wb") as values:
            for classes, probabilities in parts:
                for row in zip(classes.astype(np.int16), probabilities.astype(np.float16), strict=True):
                    keys.write(f"{count}\n")
                    values.write(np.int32(count).tobytes() + row[0].tobytes() + row[1].tobytes())
                    count += 1

    def open(self) -> None:
        with self.keys.open() as keys:
            self.index = {key.rstrip("\n"): at for at, key in enumerate(keys)}
        self.file = self.values.open("rb")

    def read(self, indices: Array) -> tuple[Array, Array]:
        """Classes and probabilities of some images, (rows, K) each."""
        found = [self._record(str(index)) for index in indices.tolist()]
        return np.stack([classes for classes, _ in found]), np.stack([values for _, values in found])

    def _record(self, key: str) -> tuple[Array, Array]:
        self.file.seek(self.index[key] * self.size)
        raw = self.file.read(self.size)
        return np.frombuffer(raw, np.int16, self.topk, 4), np.frombuffer(raw, np.float16, self.topk, 4 + 2 * self.topk)
