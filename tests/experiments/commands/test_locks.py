"""Commands that write to one folder keep each other out."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.cli import run

HOLD = """import pathlib, scaler.lock, sys
with scaler.lock.only_process_in(pathlib.Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""
DATA = ("--data", "digits", "--train-images", "60")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder that another process works in, and the number of that process."""
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield folder, other.pid
        other.kill()


@pytest.mark.parametrize(
    "words",
    [
        ("train", "tiny_vit_1m_32", *DATA, "--epochs", "1"),
        ("search", "tiny_vit_1m_32", *DATA, "--budget", "flops=1M", "--trials", "1"),
    ],
    ids=lambda words: words[0],
)
def test_a_second_process_is_told_who_works_in_the_folder(
    held: tuple[Path, int], words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, process = held
    monkeypatch.setattr(sys, "argv", ["scaler", *words, "--out", str(folder)])
    assert run() == 2
    assert f"scaler: {folder} is in use by process {process} on " in capsys.readouterr().err
    assert {path.name for path in folder.iterdir()} == {".lock", ".lock.holder"}


def test_a_teacher_that_would_be_overwritten_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "tiny_vit_1m_32", *DATA, "--teacher", str(tmp_path), "--out", f"{tmp_path}/../{tmp_path.name}"]
    monkeypatch.setattr(sys, "argv", ["scaler", *words])
    assert run() == 2
    assert "is also --out, where its weights would be replaced" in capsys.readouterr().err
