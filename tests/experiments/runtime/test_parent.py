"""A process ends with the one that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.runtime.parent import environment_of_child

CHILD = """import time
from experiments.runtime.parent import end_with_parent
end_with_parent()
print("up", flush=True)
time.sleep(60)
"""
PARENT = f"""import subprocess, sys
from experiments.runtime.parent import environment_of_child
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], env=environment_of_child(), stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def test_a_worker_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _runs(child):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.1)


def _runs(process: int) -> bool:
    """Return True unless the process has ended; a container may leave ended ones as zombies."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_that_was_started_by_hand_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCALER_PARENT", raising=False)
    child = CHILD.replace("time.sleep(60)", "time.sleep(1.5); print('done')")
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert done.stdout == "up\ndone\n"


def test_a_process_waits_for_a_line_of_its_parent_or_ends() -> None:
    child = "from experiments.runtime.parent import wait_for_parent\nwait_for_parent()\nprint('on')"
    for line, printed in (("\n", "on\n"), ("", "")):
        done = subprocess.run(
            [sys.executable, "-c", child], env=environment_of_child(), input=line, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.returncode) == (printed, 0 if line else 1)
