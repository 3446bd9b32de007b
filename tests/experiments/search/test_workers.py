"""The workers of a search are told its storage where other users of the machine do not see it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.commands import start_search
from experiments.options.search import SearchOptions
from experiments.runtime.shares import Share
from experiments.search import workers
from experiments.search.run_folder import SearchContext
from experiments.search.shares import SearchShares
from search_spaces.problem import spaces
from tests.experiments.search.test_pipeline import ClosedForm


def test_a_password_is_in_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/x.db?password=s3cret"
    started: list[tuple[list[str], dict[str, str]]] = []

    class Ended:
        pid, returncode = 1, 2

        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            started.append((command, env))

        def poll(self) -> int:
            return 2

    monkeypatch.setattr(subprocess, "Popen", Ended)
    monkeypatch.setattr(workers, "_POLL_S", 0.0)
    space, sets = spaces("tiny_vit_1m_32", ["flops=1M"])
    options = SearchOptions(
        seed_model="tiny_vit_1m_32", budget="flops=1M", data="digits", out=tmp_path, storage=url, workers=2, trials=3
    )
    context = SearchContext(options=options, resolved={}, space=space, sets=sets, backend=ClosedForm(), say=print)

    class Study:
        def finished(self) -> int:
            return 0

        def abandon(self, worker: int) -> None:
            pass

    study: Any = Study()
    with pytest.raises(Exception, match="the workers end before the search does"):
        start_search._workers(context, SearchShares(workers=[Share(threads=1)] * 2, lag=2))(study)
    assert len(started) == 2
    for command, environment in started:
        assert "s3cret" not in " ".join(command)
        assert environment["SCALER_STORAGE"] == url
