"""The command line in processes of their own, forked from one that has loaded PyTorch and timm, which take seconds to load.

`scaler.launch` runs as in a process that a user starts; tests/test_docs.py starts such ones for the commands of README.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

from scaler.launch import main

ROOT = Path(__file__).parents[1]
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}

_LOADED = ["experiments.commands.start_search", "experiments.commands.start_shrink", "experiments.report.frontier"]
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload([*_LOADED, "sklearn.datasets"])


def run_scaler(words: Sequence[str], cwd: Path = ROOT, env: Mapping[str, str] = ENV) -> "CompletedProcess[str]":
    """Run `scaler` with ``words`` and return its status and what it printed."""
    with TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _CONTEXT.Process(target=_run, args=(words, cwd, dict(env), streams))
        process.start()
        process.join()
        stdout, stderr = (path.read_text() if path.exists() else "" for path in streams)
    return CompletedProcess(list(words), process.exitcode or 0, stdout, stderr)


def _run(words: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Sequence[Path]) -> None:
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    sys.argv = ["scaler", *words]
    main()
