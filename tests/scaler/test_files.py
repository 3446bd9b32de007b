from pathlib import Path

import pytest

from scaler.errors import ScalerError
from scaler.files import write_atomic, write_text


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
