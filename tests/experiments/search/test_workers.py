"""The workers of a search are told its storage where other users of the machine do not see it, and end with a refusal."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.options.search import SearchOptions
from experiments.search import workers
from experiments.search.extent import Extent
from search_spaces.problem import spaces


def test_a_password_is_in_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/x.db?password=s3cret"
    started: list[tuple[list[str], dict[str, str]]] = []

    class Ended:
        pid, returncode, stdin = 1, 2, None

        def __init__(self, command: list[str], env: dict[str, str], stdin: int) -> None:
            started.append((command, env))

        def poll(self) -> int:
            return 2

    class Study:
        def finished(self) -> int:
            return 0

        def abandon(self, worker: int) -> None:
            pass

    monkeypatch.setattr(subprocess, "Popen", Ended)
    monkeypatch.setattr(workers, "_POLL_S", 0.0)
    options = SearchOptions(
        seed_model="tiny_vit_1m_32", budget="flops=1M", data="digits", out=tmp_path, storage=url, workers=2, trials=3
    )
    study: Any = Study()
    with workers.Workers(options) as started_workers:
        assert len(started_workers.start(spaces("tiny_vit_1m_32", ["flops=1M"])[1], 64).workers) == 2
        train_all = started_workers.train_all(Extent(trials=3), lambda study: None)
        assert train_all is not None
        with pytest.raises(Exception, match="the workers end before the search does"):
            train_all(study)
    assert len(started) == 2
    for command, environment in started:
        assert "s3cret" not in " ".join(command)
        assert environment["SCALER_STORAGE"] == url


def test_a_waiting_worker_ends_with_the_search_that_started_it(tmp_path: Path) -> None:
    options = SearchOptions(seed_model="tiny_vit_1m_32", budget="flops=1M", data="digits", out=tmp_path / "run", workers=2)
    with workers.Workers(options) as waiting:
        waiting.start(spaces("tiny_vit_1m_32", ["flops=1M"])[1], 64)
        processes = [worker for _, worker in waiting.running]
        assert [worker.poll() for worker in processes] == [None, None]
    assert all(worker.poll() is not None for worker in processes)
    assert not (tmp_path / "run").exists()
