"""JSON files that are read back: checked for their form, and sealed with a digest where their content decides a result.

A sealed file holds a digest of its other fields. A flipped bit, a cut or an edit by hand is found when the file is read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from xxhash import xxh3_64, xxh3_64_hexdigest

from scaler.errors import DamagedFileError
from scaler.files import append_line, write_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
_DIGEST = "digest"
_CHUNK = 1 << 22


def read_json(path: Path, kind: type[T], remedy: str) -> T:
    """Return the JSON document in ``path`` as a value of type ``kind``.

    Args:
        path: the file.
        kind: a dataclass, or any type that pydantic checks; numbers and strings are not converted into each other.
        remedy: the way out, for the error.

    Raises:
        DamagedFileError: if the file cannot be read, is not JSON, or has not the form of ``kind``.
    """
    from pydantic import ValidationError

    try:
        found: T = _adapter(cast(Any, kind)).validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise DamagedFileError(path, error.strerror or str(error), remedy) from error
    except ValidationError as error:
        raise DamagedFileError(path, _reason(error.errors()[0]), remedy) from error
    return found


def write_sealed(path: Path, value: Any) -> None:
    """Write a dataclass or a mapping of JSON values with the digest of its content.

    Raises:
        ScalerError: if the disk refuses it.
    """
    fields = asdict(value) if is_dataclass(value) and not isinstance(value, type) else dict(value)
    write_json(path, {**fields, _DIGEST: json_digest(fields)})


def read_sealed(path: Path, kind: type[T], remedy: str) -> T:
    """Return what `write_sealed` wrote, as a value of type ``kind``.

    Raises:
        DamagedFileError: as `read_json`, or if the content does not match its digest.
    """
    fields = read_json(path, dict[str, Any], remedy)
    if fields.pop(_DIGEST, None) != json_digest(fields):
        raise DamagedFileError(path, "its content does not match its digest", remedy)
    return check_form(fields, kind, path, remedy)


def check_form(fields: Mapping[str, Any], kind: type[T], path: Path, remedy: str) -> T:
    """Return ``fields``, which were read from ``path``, as a value of type ``kind``.

    Raises:
        DamagedFileError: if they have not the form of ``kind``.
    """
    from pydantic import ValidationError

    try:
        found: T = _adapter(cast(Any, kind)).validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        raise DamagedFileError(path, _reason(error.errors()[0]), remedy) from error
    return found


def _reason(error: Mapping[str, Any]) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg']}" if place else str(error["msg"])


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def json_digest(fields: Mapping[str, Any]) -> str:
    """Return the 64-bit xxh3 of a JSON object, in hexadecimal; order and layout do not count."""
    as_read = json.loads(json.dumps(fields))  # keys are text, and tuples are lists
    return xxh3_64_hexdigest(json.dumps(as_read, sort_keys=True).encode())


def file_digest(path: Path) -> str:
    """Return the 64-bit xxh3 of a file's bytes, in hexadecimal."""
    hasher = xxh3_64()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it can be made again and still be looked at; return its new path."""
    for number in range(10_000):
        aside = path.with_name(f"{path.name}.damaged{number or ''}")
        if not aside.exists():
            return path.replace(aside)
    raise DamagedFileError(path, "10,000 damaged copies lie beside it", "delete them")


def append_sealed(path: Path, value: Any) -> None:
    """Append a dataclass to a file of JSON lines, with the digest of its content; a torn last line is cut off first.

    Raises:
        ScalerError: if the disk refuses it.
    """
    fields = json.loads(json.dumps(asdict(value)))
    append_line(path, json.dumps({**fields, _DIGEST: json_digest(fields)}))


def read_sealed_lines(path: Path, kind: type[T], remedy: str) -> list[T]:
    """Return what `append_sealed` wrote to ``path``; nothing if the file is missing. A torn last line is skipped.

    Raises:
        DamagedFileError: if a line has not the form of ``kind``, or does not match its digest.
    """
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_unsealed(path, number, line, kind, remedy) for number, line in enumerate(lines, 1)]


def _unsealed(path: Path, number: int, line: bytes, kind: type[T], remedy: str) -> T:
    try:
        fields = dict(json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:  # no JSON, no object, or one nested too deep
        raise DamagedFileError(path, f"line {number}: {error}", remedy) from error
    if fields.pop(_DIGEST, None) != json_digest(fields):
        raise DamagedFileError(path, f"line {number} does not match its digest", remedy)
    return check_form(fields, kind, path, remedy)
