import errno
import os
from pathlib import Path

import pytest

from scaler.errors import ScalerError
from scaler.files import cache_folder, inside, write_atomic, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def break_off(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomic(path, break_off)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_place_where_no_folder_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScalerError, match=r"cannot make the folder .*file/deep .*: give another place"):
        write_text(tmp_path / "file" / "deep" / "a.txt", "text")


def test_a_full_disk_is_said_in_a_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_text("as it was")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ScalerError, match=r"cannot use .*/a \(No space left on device\): make room, and the same command"):
        write_text(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "deep" / "cache"))
    assert cache_folder() == tmp_path / "deep" / "cache" / "scaler"
    assert cache_folder().is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "scaler"


def test_a_cache_that_cannot_be_written_to_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ScalerError, match=r"cannot make the folder .*file/scaler .*: set XDG_CACHE_HOME to a folder"):
        cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)  # as for a file system that is mounted read-only
    with pytest.raises(ScalerError, match=r"cannot write to the cache folder .*/scaler: set XDG_CACHE_HOME to"):
        cache_folder()


@pytest.mark.parametrize("name", ["", ".", "..", "../../../outside", "/etc/passwd", "a/b", "a\\b", "a\0b", "x" * 256, "ä" * 128])
def test_a_name_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScalerError, match="it must be one file name, without a separator"):
        inside(tmp_path, name)


@pytest.mark.parametrize("name", ["trial-0000", "..a", "ä b", "[x]"])
def test_any_other_name_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, name).resolve().parent == tmp_path.resolve()
