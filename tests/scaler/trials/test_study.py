"""Studies that several processes share: every candidate is scored once, whoever dies."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from scaler.errors import ScalerError
from scaler.trials import numbering
from scaler.trials.attributes import WORKER
from scaler.trials.candidate import LostTrialError
from scaler.trials.sampler import distributions
from scaler.trials.storage import first_number, without_password, worker_name
from scaler.trials.strategies import strategy
from scaler.trials.study import SearchStudy
from tests.scaler.toy_worker import SETS, SPACE, open_study, work

TRIALS = 12


def start(folder: Path, url: str | None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.scaler.toy_worker", str(folder), url or "", str(TRIALS), "0.1"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_complete(study: SearchStudy) -> None:
    records = study.records()
    assert len(records) == len(dict(records)) == len(study._candidates()) == TRIALS
    assert all(told["number"] == number for number, told in records)
    assert study.finished() == TRIALS


def killed_at_random(folder: Path, url: str | None) -> SearchStudy:
    """A study that three workers finish although one of them is killed and replaced, twice."""
    study = open_study(folder, url, TRIALS)
    workers = [start(folder, url) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    for _ in range(2):
        time.sleep(random.uniform(0.3, 1.5))
        victim = workers.pop(0)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        study.abandon(victim.pid)
        workers.append(start(folder, url))
    for worker in workers:
        worker.communicate(timeout=120)
        assert worker.returncode == 0
    return study


@pytest.mark.slow
def test_one_of_three_workers_is_killed(tmp_path: Path) -> None:
    check_complete(killed_at_random(tmp_path, None))


@pytest.mark.slow
def test_one_of_three_workers_is_killed_on_postgresql(tmp_path: Path, postgresql: str) -> None:
    check_complete(killed_at_random(tmp_path, postgresql))


@pytest.mark.slow
def test_a_trial_whose_heart_stopped_is_taken_up_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaler.trials.storage.HEARTBEAT_S", 1)
    monkeypatch.setattr("scaler.trials.storage.GRACE_S", 2)
    study = open_study(tmp_path, f"sqlite:///{tmp_path}/shared.db", 3)
    lost = next(study.ask(3))
    with study.training(lost):  # one beat, then the worker is as good as dead
        pass
    work(study, 3, 0.0)
    assert sorted(dict(study.records())) == [0, 1, 2]
    retried = [trial for trial in study._study.trials if first_number(trial) == lost.number != trial.number]
    assert [trial.params for trial in retried] == [lost.trial.params]


def test_a_worker_that_dies_after_the_search_went_on_is_seen_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a parent is killed: its workers end a moment later, when the next call has looked at them already."""
    study = open_study(tmp_path, None, 2)
    lost = next(study.ask(2))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lost.trial.set_user_attr(WORKER, worker_name(ended.pid))
    monkeypatch.setattr("scaler.trials.study._DEATH_S", 0.5)
    began = time.monotonic()
    work(open_study(tmp_path, None, 2), 2, 0.0)
    assert time.monotonic() - began < 30, "a heartbeat takes minutes to stop"
    assert sorted(dict(study.records())) == [0, 1]


def test_a_candidate_that_kills_every_worker_counts_as_failed(tmp_path: Path) -> None:
    study = open_study(tmp_path, None, 1)
    for _ in range(4):
        assert next(study.ask(1)).number == 0
        study.abandon(os.getpid())
    assert (study.finished(), study.records()) == (1, [])


def test_more_are_never_scored_than_were_asked_for(tmp_path: Path) -> None:
    study = open_study(tmp_path, None, TRIALS)
    asked = [study._ask_one(2) for _ in range(4)]
    assert [one.number if one else None for one in asked] == [0, 1, None, None]


def test_a_score_that_comes_after_its_trial_was_given_up_is_left_to_the_retry(tmp_path: Path) -> None:
    study = open_study(tmp_path, None, 2)
    slow = next(study.ask(2))
    study.abandon(os.getpid())
    for late in (lambda: study.tell(slow, 1.0, {}), lambda: study.fail(slow, "too late"), lambda: slow.report(1, 0.5)):
        with pytest.raises(LostTrialError, match="candidate 0 was given up as its worker seemed dead; another worker scores it"):
            late()
    assert (study.finished(), study.records()) == (0, [])
    work(study, 2, 0.0)
    assert sorted(dict(study.records())) == [0, 1]


def test_a_score_that_comes_after_the_retrys_is_refused(tmp_path: Path) -> None:
    """As after a jump of the clock, when two live workers train one candidate."""
    study = open_study(tmp_path, None, 1)
    slow = next(study.ask(1))
    study.abandon(os.getpid())
    work(study, 1, 0.0)
    told = study.records()
    with pytest.raises(LostTrialError):
        study.tell(slow, 1.0, {"score": "too late"})
    assert study.records() == told


@pytest.mark.parametrize("name", ["uniform", "surrogate", "contraction"])
def test_workers_that_die_change_nothing_of_what_is_proposed(tmp_path: Path, name: str) -> None:
    def proposed(folder: Path, deaths: set[int]) -> list[Any]:
        study, found = SearchStudy(folder, SPACE, SETS, strategy(name, 14), 0), dict[int, Any]()
        for asked in study.ask(14):
            if asked.number in deaths:
                deaths.remove(asked.number)
                study.abandon(os.getpid())
                continue
            found[asked.number] = asked.arch
            study.tell(asked, float(SPACE.cost(asked.arch).flops), {"number": asked.number})
        assert list(found) == list(range(14))
        return list(found.values())

    assert proposed(tmp_path / "disturbed", {0, 3, 9, 12}) == proposed(tmp_path / "undisturbed", set())


@pytest.mark.parametrize("name", ["run?1", "a%20b", "run{1}", "ä b#c", "[x]"])
def test_a_study_lies_in_its_folder_whatever_the_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "whole" / name, Path(name)):
        work(open_study(folder, None, 2), 2, 0.0)
        assert (folder / "study.db").stat().st_size > 0
        assert len(open_study(folder, None, 2).records()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "whole"])


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_storage_in_memory_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ScalerError, match="would end with this process: name a file"):
        open_study(tmp_path / "run", url, 1)
    assert not (tmp_path / "run").exists()


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    url = "postgresql://me:s3cret@127.0.0.1:1/none?sslpassword=s3cret"
    assert "s3cret" not in without_password(url)
    assert without_password("sqlite:////a/b.db") == "sqlite:////a/b.db"
    for bad in (url, "nosuch://me:s3cret@h/x", "postgresql:/me:s3cret"):
        with pytest.raises(ScalerError, match="cannot be opened") as error:
            open_study(tmp_path, bad, 1)
        assert "s3cret" not in str(error.value)


def test_a_finished_trial_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, read = open_study(tmp_path, None, 20), []
    work(study, 20, 0.0)
    monkeypatch.setattr(numbering, "first_number", lambda trial: read.append(trial.number) or first_number(trial))
    for number in (20, 21):
        asked = next(study.ask(22))
        study.tell(asked, 1.0, {"number": number})
        assert (study.finished(), len(study.records())) == (number + 1, number + 1)
    assert min(read) == 19  # which the sampler saw unfinished
    assert dict(study.records()) == dict(open_study(tmp_path, None, 22).records())


def test_a_pruner_is_told_once_and_asked_apart(tmp_path: Path) -> None:
    study = SearchStudy(tmp_path, SPACE, SETS, strategy("uniform", 4), 0, pruner_name="halving")
    stopped = []
    for score, asked in zip((9.0, 1.0, 8.0, 2.0), study.ask(4), strict=False):
        asked.report(1, score)
        asked.report(1, 99.0)  # as a resumed training does
        stopped.append(asked.should_prune())
        study.tell(asked, score, {}, pruned=stopped[-1])
    assert stopped == [False, True, True, True]
    assert [trial.intermediate_values for trial in study._study.trials] == [{1: 9.0}, {1: 1.0}, {1: 8.0}, {1: 2.0}]


def test_an_enqueued_trial_that_nothing_feasible_fits_counts_as_failed(tmp_path: Path) -> None:
    study = open_study(tmp_path, None, 3)
    users = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path}/study.db")
    users.enqueue_trial({name: choices[-1] for name, choices in SPACE.variables.items()})
    with pytest.raises(ScalerError, match=r"trial 0 cannot have widths\[0\] = 4, .*flops=40\.\.300"):
        work(study, 3, 0.0)
    work(study, 3, 0.0)
    assert (study.finished(), sorted(dict(study.records()))) == (3, [1, 2])


def test_a_trial_of_another_program_is_noted_by_its_point(tmp_path: Path) -> None:
    study = open_study(tmp_path, None, 2)
    point = SETS[0].points(np.array([5]))[0]
    trial = optuna.trial.create_trial(params=SPACE.values(point), distributions=distributions(SPACE), value=1.0)
    optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path}/study.db").add_trial(trial)
    work(study, 2, 0.0)
    assert study.notes()[0] == {"point": point.tolist()}
    assert study.notes()[1]["origin"] == "random"


def test_a_storage_that_does_not_answer_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="cannot be opened"):
        open_study(tmp_path, "postgresql://127.0.0.1:1/none", 1)


def test_the_studies_of_two_runs_in_one_storage_are_kept_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    for name in ("a", "b"):
        work(open_study(tmp_path / name, url, 2), 2, 0.0)
    assert sorted(optuna.get_all_study_names(url)) == ["a", "b"]


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """A server of our own on a port of the loopback; its URL."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'vit-scaler[cluster]'")
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *(Path(p).parent for p in [shutil.which("initdb")] if p)]
    if not places:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    data, port = tmp_path / "pg", random.randint(20_000, 60_000)
    as_user = {"user": "nobody"} if os.getuid() == 0 else {}  # the server refuses to run as root
    data.mkdir(mode=0o700)
    if as_user:
        shutil.chown(data, **as_user)
        for parent in [*data.parents][:-2]:  # which pytest keeps to root
            parent.chmod(parent.stat().st_mode | 0o011)
    call: dict[str, Any] = {"cwd": "/", "check": True, "capture_output": True, **as_user}
    subprocess.run([places[0] / "initdb", "-D", data, "-U", "scaler", "--auth=trust"], **call)
    server = subprocess.Popen(
        [places[0] / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", ""], cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user,
    )  # fmt: skip
    try:
        for _ in range(100):
            ready = subprocess.run(
                [places[0] / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], capture_output=True, check=False
            )
            if ready.returncode == 0:
                break
            time.sleep(0.2)
        yield f"postgresql+psycopg://scaler@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
