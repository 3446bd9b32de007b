"""One process at a time in a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from scaler.errors import BusyError
from scaler.lock import only_process_in

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
