"""Commands of this program that run side by side, each in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from experiments.runtime.parent import environment_of_child
from scaler.errors import ScalerError


def run_side_by_side(commands: Sequence[Sequence[str]], at_once: int) -> None:
    """Run ``commands``, given by their words, ``at_once`` at a time. Their results on stdout are left out.

    Raises:
        ScalerError: if one of them fails; the others run to their end first.
    """
    with ThreadPoolExecutor(at_once) as pool:
        statuses = list(pool.map(_run, commands))
    failed = [" ".join(command) for command, status in zip(commands, statuses, strict=True) if status]
    if failed:
        raise ScalerError(f"`scaler {failed[0]}` failed: its message is above, and the same command continues")


def _run(command: Sequence[str]) -> int:
    words = [sys.executable, "-m", "scaler.launch", *command]
    return subprocess.run(words, env=environment_of_child(), stdout=subprocess.DEVNULL, check=False).returncode
