"""A file that is read back is as it was written, or named."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.errors import DamagedFileError
from scaler.json_files import file_digest, read_json, read_sealed, set_aside, write_sealed


@dataclass(frozen=True, kw_only=True)
class Thing:
    name: str
    sizes: tuple[int, ...]
    ratio: float
    note: str | None = None


THING = Thing(name="ä", sizes=(1, 2), ratio=0.1)


def test_a_sealed_file_comes_back(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a.json", THING)
    assert read_sealed(tmp_path / "a.json", Thing, "x") == THING


@settings(max_examples=300, deadline=None)
@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_named_or_changes_nothing(place: int, bit: int) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        write_sealed(path, THING)
        data = bytearray(path.read_bytes())
        data[place % len(data)] ^= 1 << bit
        path.write_bytes(data)
        with suppress(DamagedFileError):
            assert read_sealed(path, Thing, "make it again") == THING


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON"),
        ("[" * 100_000, "recursion limit"),
        ('{"name": 1, "sizes": [], "ratio": 1.0}', "name: Input should be a valid string"),
        ('{"name": "a", "sizes": [null], "ratio": 1.0}', "sizes.0: Input should be a valid integer"),
        ('{"name": "a"}', "sizes: Field required"),
        ("\udcff", "Invalid JSON"),
    ],
)
def test_another_form_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DamagedFileError, match=reason):
        read_json(tmp_path / "a.json", Thing, "restore it")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match=r"b.json is damaged \(No such file or directory\): restore it"):
        read_json(tmp_path / "b.json", Thing, "restore it")


def test_an_edit_by_hand_is_found(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a.json", THING)
    data = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(data | {"ratio": 99.9}))
    with pytest.raises(DamagedFileError, match="does not match its digest"):
        read_sealed(tmp_path / "a.json", Thing, "restore it")


def test_what_is_set_aside_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "a").write_text(text)
        set_aside(tmp_path / "a")
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["first", "second"]


def test_a_files_digest_is_of_all_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5_000_000)
    before = file_digest(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"x" * 4_999_999 + b"y")
    assert file_digest(tmp_path / "a") != before
