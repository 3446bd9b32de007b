"""The workers of a search: their places, and a storage that other users of the machine do not see."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.commands import start_search
from experiments.options.search import SearchOptions
from experiments.runtime.shares import Share
from experiments.search import workers
from experiments.search.run_folder import SearchContext
from experiments.search.shares import SearchShares, shares_of
from search_spaces.problem import spaces
from tests.experiments.search.test_pipeline import ClosedForm

Started = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The command lines and environments of workers, which refuse to start."""
    found: Started = []

    class Ended:
        pid, returncode = 1, 2

        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            found.append((command, env))

        def poll(self) -> int:
            return 2

    monkeypatch.setattr(subprocess, "Popen", Ended)
    monkeypatch.setattr(workers, "_POLL_S", 0.0)
    return found


class Study:
    def finished(self) -> int:
        return 0

    def abandon(self, worker: int) -> None:
        pass


def start_workers(tmp_path: Path, shares: SearchShares | None = None, **changes: Any) -> SearchShares:
    """Have a search start its workers, which end at once, by ``shares`` or by the rule; return the shares."""
    space, sets = spaces("tiny_vit_1m_32", ["flops=1M"])
    options = SearchOptions(seed_model="tiny_vit_1m_32", budget="flops=1M", data="digits", out=tmp_path, **changes)
    context = SearchContext(options=options, resolved={}, space=space, sets=sets, backend=ClosedForm(), say=print)
    shares = shares or shares_of(options, sets, batch_size=64)
    study: Any = Study()
    with pytest.raises(Exception, match="the workers end before the search does"):
        start_search._workers(context, shares)(study)
    return shares


def test_a_password_is_in_no_command_line(tmp_path: Path, started: Started) -> None:
    url = f"sqlite:///{tmp_path}/x.db?password=s3cret"
    shares = SearchShares(workers=[Share(threads=1)] * 2, lag=2)
    start_workers(tmp_path, shares, storage=url, workers=2, trials=3)
    assert len(started) == 2
    for command, environment in started:
        assert "s3cret" not in " ".join(command)
        assert environment["SCALER_STORAGE"] == url


@pytest.mark.parametrize(
    ("gpus", "workers", "expected"),
    [
        (3, None, ["0", "1", "2"]),  # one on each GPU by default
        (2, 2, ["0", "1"]),
        (2, 5, ["0", "1", "0", "1", "0"]),  # several on each when asked
        (1, 3, ["0", "0", "0"]),
    ],
)
def test_each_worker_sees_its_own_gpu_alone(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch, gpus: int, workers: int | None, expected: list[str]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    shares = start_workers(tmp_path, workers=workers, trials=60)
    assert [environment["CUDA_VISIBLE_DEVICES"] for _, environment in started] == expected
    assert shares.summary.startswith(f"{len(expected)} workers on {gpus} GPU")


def test_without_a_gpu_each_worker_has_its_share_of_the_cores(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("experiments.search.shares.cores", lambda: 8)
    monkeypatch.setattr("experiments.runtime.shares.FLOPS_PER_THREAD", 10**6)  # so that one training would fill them all
    shares = start_workers(tmp_path, workers=4, trials=60)
    assert [share.threads for share in shares.workers] == [2] * 4
    assert all("CUDA_VISIBLE_DEVICES" not in share.environment for share in shares.workers)
    assert len(started) == 4
