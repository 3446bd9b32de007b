"""Changes of a file: of its bytes, or of the JSON in it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.faults.values import NESTED, documents, texts
from scaler.files import write_json
from scaler.json_files import write_sealed

_OF_BYTES = (
    *("flip", "flip", "flip", "cut", "zero", "insert", "double", "empty", "garbage", "delete", "folder"),
    *("deep", "nested", "lines"),
)
_OF_JSON = ("set", "set", "drop", "add")
_ZEROES = 64


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A change of the file at ``path`` within a folder.

    Attributes:
        how: the name of the change.
        at: the place, a number that is taken modulo the number of places.
        key, value: for JSON alone.
        sealed: True if the digest of the changed JSON is computed anew, as by an author who means it.
    """

    path: str
    how: str
    at: int = 0
    key: str = ""
    value: Any = None
    sealed: bool = False

    def apply(self, folder: Path) -> None:
        """Change the file in ``folder``."""
        path = folder / self.path
        if self.how in (*_OF_JSON, "put"):
            _edit_json(path, self)
        elif self.how in ("delete", "folder"):
            path.unlink()
            if self.how == "folder":
                path.mkdir()
        else:
            path.write_bytes(_changed(path.read_bytes(), self))


def _changed(data: bytes, edit: Edit) -> bytes:
    place = edit.at % max(len(data), 1)
    bit = bytes([data[place] ^ (1 << edit.at % 8)]) if data else b""
    return {
        "flip": data[:place] + bit + data[place + 1 :],
        "cut": data[:place],
        "zero": data[:place] + bytes(min(_ZEROES, len(data) - place)) + data[place + _ZEROES :],
        "insert": data[:place] + b"\xff9" + data[place:],
        "double": data + data,
        "empty": b"",
        "garbage": bytes(edit.at % 251 for _ in range(200)),
        "deep": b"[" * (50 * NESTED),
        "nested": b'{"digest": "", "x": ' + b"[" * (edit.at % (50 * NESTED)) + b"]" * (edit.at % (50 * NESTED)) + b"}",
        "lines": b"".join(_some(data.splitlines(keepends=True), edit.at)),
    }[edit.how]


def _some(lines: list[bytes], at: int) -> list[bytes]:
    """Return the first lines of a file, one at least and without the last."""
    return lines[: 1 + at % max(len(lines) - 1, 1)]


def _edit_json(path: Path, edit: Edit) -> None:
    """Change one entry at any depth, or the outermost one of `Edit.key`, if the file holds JSON at all."""
    with suppress(ValueError):
        data = json.loads(path.read_text(encoding="utf-8"))
        places = [data, *_containers(data)]
        if edit.how == "put":
            data[edit.key] = edit.value
        else:
            _edit_container(places[edit.at % len(places)], edit)
        if edit.sealed and isinstance(data, dict):
            write_sealed(path, {key: value for key, value in data.items() if key != "digest"})
        else:
            write_json(path, data)


def _containers(data: Any) -> Iterator[Any]:
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        if isinstance(value, dict | list) and value:
            yield value
            yield from _containers(value)


def _edit_container(container: Any, edit: Edit) -> None:
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    key = keys[edit.at // 7 % len(keys)] if keys else edit.key
    if edit.how == "set":
        container[key] = edit.value
    elif edit.how == "drop":
        del container[key]
    elif isinstance(container, dict):
        container[edit.key] = edit.value
    else:
        container.append(edit.value)


@st.composite
def edits(draw: st.DrawFn, paths: list[str], sealed: bool = False) -> Edit:
    """Draw a change of one of the files ``paths``; ``sealed``: also changes of JSON with a new digest."""
    path, at = draw(st.sampled_from(paths)), draw(st.integers(0, 2**31))
    if not path.endswith(".json") or draw(st.integers(0, 2)) == 0:
        return Edit(path=path, how=draw(st.sampled_from(_OF_BYTES)), at=at)
    how = draw(st.sampled_from(_OF_JSON))
    seal = sealed and draw(st.integers(0, 3)) > 0
    return Edit(path=path, how=how, at=at, key=draw(texts), value=draw(documents), sealed=seal)


def copy(source: Path, target: Path) -> None:
    """Copy a folder."""
    shutil.copytree(source, target, symlinks=True)
