"""The workers of a search: their places, a storage that other users of the machine do not see, and their end with a refusal."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.options.search import SearchOptions
from experiments.search import workers
from experiments.search.extent import Extent
from experiments.search.shares import SearchShares
from search_spaces.problem import spaces

Started = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The command lines and environments of workers, which refuse to start."""
    found: Started = []

    class Ended:
        pid, returncode, stdin = 1, 2, None

        def __init__(self, command: list[str], env: dict[str, str], stdin: int) -> None:
            found.append((command, env))

        def poll(self) -> int:
            return 2

        def terminate(self) -> None:
            pass

        wait = terminate

    monkeypatch.setattr(subprocess, "Popen", Ended)
    monkeypatch.setattr(workers, "_POLL_S", 0.0)
    return found


class Study:
    def finished(self) -> int:
        return 0

    def abandon(self, worker: int) -> None:
        pass


def options_of(out: Path, **changes: Any) -> SearchOptions:
    return SearchOptions(seed_model="tiny_vit_1m_32", budget="flops=1M", data="digits", out=out, **changes)


def start_workers(out: Path, **changes: Any) -> SearchShares:
    """Have a search start its workers, which end at once; return their shares."""
    with workers.Workers(options_of(out, **changes)) as pool:
        return pool.start(spaces("tiny_vit_1m_32", ["flops=1M"])[1], 64)


def test_a_password_is_in_no_command_line(tmp_path: Path, started: Started) -> None:
    url = f"sqlite:///{tmp_path}/x.db?password=s3cret"
    study: Any = Study()
    with workers.Workers(options_of(tmp_path, storage=url, workers=2, trials=3)) as pool:
        assert len(pool.start(spaces("tiny_vit_1m_32", ["flops=1M"])[1], 64).workers) == 2
        train_all = pool.train_all(Extent(trials=3), lambda study: None)
        assert train_all is not None
        with pytest.raises(Exception, match="the workers end before the search does"):
            train_all(study)
    assert len(started) == 2
    for command, environment in started:
        assert "s3cret" not in " ".join(command)
        assert environment["SCALER_STORAGE"] == url


@pytest.mark.parametrize(
    ("gpus", "number", "expected"),
    [
        (3, None, ["0", "1", "2"]),  # one on each GPU by default
        (2, 2, ["0", "1"]),
        (2, 5, ["0", "1", "0", "1", "0"]),  # several on each when asked
        (1, 3, ["0", "0", "0"]),
    ],
)
def test_each_worker_sees_its_own_gpu_alone(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch, gpus: int, number: int | None, expected: list[str]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    shares = start_workers(tmp_path, workers=number, trials=60)
    assert [environment["CUDA_VISIBLE_DEVICES"] for _, environment in started] == expected
    assert shares.summary.startswith(f"{len(expected)} workers on {gpus} GPU")


def test_without_a_gpu_each_worker_has_its_share_of_the_cores(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr("experiments.search.shares.cores", lambda: 8)
    monkeypatch.setattr("experiments.runtime.shares.FLOPS_PER_WORKERS_THREAD", 10**6)  # so that one training would fill them all
    shares = start_workers(tmp_path, workers=4, trials=60)
    assert [share.threads for share in shares.workers] == [2] * 4
    assert all("CUDA_VISIBLE_DEVICES" not in share.environment for share in shares.workers)
    assert len(started) == 4


def test_a_waiting_worker_ends_with_the_search_that_started_it(tmp_path: Path) -> None:
    options = SearchOptions(seed_model="tiny_vit_1m_32", budget="flops=1M", data="digits", out=tmp_path / "run", workers=2)
    with workers.Workers(options) as waiting:
        waiting.start(spaces("tiny_vit_1m_32", ["flops=1M"])[1], 64)
        processes = [worker for _, worker in waiting.running]
        assert [worker.poll() for worker in processes] == [None, None]
    assert all(worker.poll() is not None for worker in processes)
    assert not (tmp_path / "run").exists()
