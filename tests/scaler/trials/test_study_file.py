"""A run's own study file is as it was written, or set aside."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scaler.trials.study import STUDY, STUDY_NAME, SearchStudy
from scaler.trials.study_file import set_damaged_study_aside
from tests.scaler.toy_worker import open_study


def told(folder: Path) -> SearchStudy:
    study = open_study(folder, None, 3)
    for candidate in study.ask(3):
        study.tell(candidate, 10.0 * candidate.number, {"top1": 10.0 * candidate.number})
    return study


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / STUDY)) as connection:
        assert connection.execute(statement).rowcount
        connection.commit()


def test_a_whole_file_stays(tmp_path: Path) -> None:
    told(tmp_path)
    assert set_damaged_study_aside(tmp_path / STUDY, STUDY_NAME) == ""
    assert set_damaged_study_aside(tmp_path / "none.db", STUDY_NAME) == ""


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE trial_values SET value = 99.5 WHERE trial_id = 2", "trial 1 does not match its digest"),
        ("""UPDATE trial_user_attributes SET value_json = '{"top1": 11.0}' WHERE key = 'record' AND trial_id = 2""", "digest"),
        ("UPDATE trial_params SET param_value = 1 - param_value WHERE trial_id = 1", "trial 0 does not match"),
        ("UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'record'", "Expecting property name"),
        ("UPDATE studies SET study_name = 'searci'", "Record does not exist"),
    ],
)
def test_a_changed_cell_is_found(tmp_path: Path, statement: str, fault: str) -> None:
    told(tmp_path)
    change(tmp_path, statement)
    assert fault in set_damaged_study_aside(tmp_path / STUDY, STUDY_NAME)
    assert not (tmp_path / STUDY).exists()
    assert (tmp_path / f"{STUDY}.damaged").exists()


def test_a_torn_file_is_found(tmp_path: Path) -> None:
    told(tmp_path)._study._storage._backend.engine.dispose()  # type: ignore[attr-defined]
    data = (tmp_path / STUDY).read_bytes()
    (tmp_path / STUDY).write_bytes(data[: len(data) // 2])
    assert "is damaged" in set_damaged_study_aside(tmp_path / STUDY, STUDY_NAME)
