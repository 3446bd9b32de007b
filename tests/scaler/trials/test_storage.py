"""Optuna's settings stay the user's, and its database is opened as documented."""

import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy import text

from scaler.errors import ScalerError
from scaler.trials.candidate import LostTrialError
from scaler.trials.sampler import FeasibleSampler, distributions
from scaler.trials.storage import first_number, open_storage, quiet_optuna, storage_errors
from scaler.trials.strategies import strategy
from tests.scaler.toy_worker import SETS, SPACE, open_study, work


@pytest.fixture(params=[optuna.logging.INFO, optuna.logging.ERROR])
def verbosity(request: pytest.FixtureRequest) -> Iterator[int]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(request.param)
    yield request.param
    optuna.logging.set_verbosity(before)


def test_a_search_leaves_optunas_verbosity_and_pythons_warnings_as_they_are(verbosity: int, tmp_path: Path) -> None:
    filters = list(warnings.filters)
    study = open_study(tmp_path, None, 3)
    work(study, 3, 0.0)
    study.importances()
    assert optuna.logging.get_verbosity() == verbosity
    assert warnings.filters == filters


def test_tpe_leaves_optunas_verbosity_as_it_is(verbosity: int) -> None:
    study = optuna.create_study(sampler=FeasibleSampler(SPACE, SETS, strategy("tpe", 3), 0))
    for _ in range(3):
        study.tell(study.ask(distributions(SPACE)), 1.0)
        assert optuna.logging.get_verbosity() == verbosity


def test_a_search_says_nothing_in_optunas_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for _ in range(2):  # made, then opened again
                study = open_study(tmp_path, None, 4)
                lost = next(study.ask(4))
                lost.report(1, 0.5)
                lost.report(1, 0.6)
                study.abandon(int(study._study.trials[-1].user_attrs["worker"].rpartition(":")[2]))
                with pytest.raises(LostTrialError):
                    study.tell(lost, 1.0, {})
            work(study, 4, 0.0)
            study.importances()
    finally:
        optuna.logging.set_verbosity(before)
    assert warned == []
    assert capfd.readouterr().err == ""


def test_settings_come_back_after_an_error() -> None:
    before, filters = optuna.logging.get_verbosity(), list(warnings.filters)
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        with pytest.raises(RuntimeError, match="inside"), quiet_optuna():
            raise RuntimeError("inside")
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)
    assert warnings.filters == filters


def test_sqlite_has_a_write_ahead_log_on_every_connection(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/study.db")
    for _ in range(2):
        with storage.engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 1  # NORMAL
        storage.engine.dispose()


def test_a_retry_has_the_number_of_its_first_trial(tmp_path: Path) -> None:
    study = open_study(tmp_path, None, 2)
    for _ in range(3):
        lost = next(study.ask(2))
        study.abandon(int(study._study.trials[-1].user_attrs["worker"].rpartition(":")[2]))
    assert lost.number == 0
    assert [first_number(trial) for trial in study._study.trials] == [0, 0, 0, 0]


def test_a_storage_that_fails_in_use_is_said_in_a_line() -> None:
    full = sqlalchemy.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    for error, cause in ((StorageInternalError("An exception is raised during the commit."), full), (full, None)):
        with (
            pytest.raises(ScalerError, match=r"storage fails \(database or disk is full\): make room or start"),
            storage_errors(),
        ):
            raise error from cause
