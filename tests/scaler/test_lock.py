"""One process at a time in a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaler.errors import BusyError
from scaler.lock import is_empty, only_process_in

HOLD = """import pathlib, scaler.lock, sys
with scaler.lock.only_process_in(pathlib.Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(BusyError, match=f"is in use by process {other.pid} on "), only_process_in(tmp_path / "run"):
            pass
        other.kill()
        other.wait()
    with only_process_in(tmp_path / "run"):
        pass


def test_nothing_of_a_lock_is_left(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    for name in ("before", "made"):
        with only_process_in(tmp_path / name):
            assert is_empty(tmp_path / name)
    with only_process_in(tmp_path / "filled"):
        (tmp_path / "filled" / "result").write_text("x")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["before", "filled", "result"]
    assert not is_empty(tmp_path / "filled")


def test_two_of_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    """Each makes a file that must not be there and deletes it, again and again, while others come and go."""
    code = """import pathlib, scaler.lock, scaler.errors, sys, time
folder, done = pathlib.Path(sys.argv[1]), 0
while done < 40:
    try:
        with scaler.lock.only_process_in(folder):
            (folder / "mine").touch(exist_ok=False)
            time.sleep(0.001)
            (folder / "mine").unlink()
            done += 1
    except scaler.errors.BusyError:
        time.sleep(0.0005)
"""
    team = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")]) for _ in range(3)]
    assert [member.wait(60) for member in team] == [0, 0, 0]


def test_a_folder_that_its_holder_deletes_meanwhile_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder may delete an empty folder between the moment it is made here and the moment its lock is taken."""
    opened, deleted = os.open, []

    def open_after_deletion(path: str, *flags: int) -> int:
        if not deleted:
            deleted.append(Path(path).parent.rmdir())
        return opened(path, *flags)

    monkeypatch.setattr(os, "open", open_after_deletion)
    with only_process_in(tmp_path / "run"):
        assert deleted
        assert is_empty(tmp_path / "run")
