"""A cluster's launcher starts the worker command."""

import sys
from pathlib import Path

import pytest

submitit = pytest.importorskip("submitit")


@pytest.mark.slow
def test_submitit_starts_a_worker_and_hears_what_it_says(tmp_path: Path) -> None:
    """Its executor for this machine; the worker finds no search to join, which it says in one line."""
    executor = submitit.AutoExecutor(folder=tmp_path / "jobs", cluster="local")
    executor.update_parameters(timeout_min=5)
    search = ["search", "tiny_vit_1m_32", "--budget", "flops=1M", "--data", "digits", "--out", str(tmp_path / "none")]
    command = [sys.executable, "-m", "scaler.launch", *search, "--as-worker"]
    job = executor.submit(submitit.helpers.CommandFunction(command, verbose=False))
    with pytest.raises(submitit.core.utils.FailedJobError, match="holds no search to join: start it without --as-worker first"):
        job.result()
