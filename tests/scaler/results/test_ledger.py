import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.errors import DamagedFileError
from scaler.results.ledger import COLUMNS, Ledger, Record
from scaler.results.score import Metrics, Score
from tests.scaler.results.records import changed

RECORD = Record(
    role="trial", trial=3, budget="flops=1M,params=2M", name="trial-0003", family="tiny_vit", flops=10, params=20, resolution=32,
    score=Score(
        metrics=Metrics(top1=91.25, top5=99.5, loss=0.3, images=144), split="holdout", epochs=4.0, seconds=1.5, train_flops=7,
        start="weights",
    ),
    seed=0, recipe="proxy", data="digits", arch='{"depths": [1, 2]}', origin="random",
)  # fmt: skip
LINES = (
    "role,trial,budget,name,family,flops,params,resolution,top1,top5,loss,split,images,epochs,seconds,seed,start,recipe,data,arch,"
    "origin,train_flops,digest\n"
    'trial,3,"flops=1M,params=2M",trial-0003,tiny_vit,10,20,32,91.25,99.5,0.3,holdout,144,4.0,1.5,0,weights,proxy,digits,'
    '"{""depths"": [1, 2]}",random,7,DIGEST\n'
)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "new" / "ledger.csv")
    rows = [RECORD, changed(RECORD, trial=4, top1=0.1 + 0.2)]
    for row in rows:
        ledger.append(row)
    assert list(Ledger(ledger.path)) == rows


def test_nested_scores_are_written_as_flat_columns(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(RECORD)
    assert re.sub(r"[0-9a-f]{16}\n$", "DIGEST\n", ledger.path.read_text()) == LINES


def test_a_pruned_record_is_told_by_its_role(tmp_path: Path) -> None:
    pruned = replace(RECORD, role="pruned", score=replace(RECORD.score, pruned=True))
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(pruned)
    assert list(ledger) == [pruned]


@pytest.mark.parametrize("name", ["top1", "split", "arch"])
def test_a_row_without_a_column_or_with_an_unknown_one_is_refused(name: str) -> None:
    row = RECORD.row()
    with pytest.raises(TypeError, match="unexpected"):
        Record.of_row({**row, "unknown": 1})
    del row[name]
    with pytest.raises(TypeError, match=name):
        Record.of_row(row)


def test_pandas_reads_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(RECORD)
    table = pd.read_csv(ledger.path)
    assert tuple(table.columns) == (*COLUMNS, "digest")
    assert table.loc[0, "budget"] == "flops=1M,params=2M"


def test_every_cut_of_the_file_keeps_the_rows_before_it(tmp_path: Path) -> None:
    """A kill may leave any prefix of the last row: whole rows stay readable, and appending goes on."""
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(RECORD)
    whole = ledger.path.read_bytes()
    second = changed(RECORD, trial=4)
    ledger.append(second)
    both = ledger.path.read_bytes()
    for end in range(len(whole), len(both)):
        ledger.path.write_bytes(both[:end])
        again = Ledger(ledger.path)
        assert list(again) == [RECORD]
        again.append(second)
        assert ledger.path.read_bytes() == both
        assert list(again) == [RECORD, second]


def test_a_row_that_could_not_be_written_whole_is_cut_off_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError("disk is full")

    ledger, whole = Ledger(tmp_path / "ledger.csv"), Ledger(tmp_path / "whole.csv")
    for one in (ledger, whole):
        one.append(RECORD)
    with monkeypatch.context() as patch:
        patch.setattr("scaler.results.ledger._line", lambda _: "trial,4,hal")
        patch.setattr("os.fsync", fails)
        with pytest.raises(OSError, match="disk is full"):
            ledger.append(replace(RECORD, trial=4))
    for one in (ledger, whole):
        one.append(replace(RECORD, trial=5))
    assert ledger.path.read_bytes() == whole.path.read_bytes()
    assert list(ledger) == list(whole)


def test_the_file_is_read_at_the_start_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(tmp_path / "ledger.csv").append(RECORD)
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(replace(RECORD, trial=4))
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file is read again"))
    for trial in (5, 6):
        ledger.append(replace(RECORD, trial=trial))
        assert [row.trial for row in ledger] == [3, *range(4, trial + 1)]
    monkeypatch.undo()
    assert list(Ledger(ledger.path)) == list(ledger)


def test_an_appended_row_is_that_of_a_reader(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(changed(RECORD, epochs=4))
    (mine,), (read,) = ledger, Ledger(ledger.path)
    assert repr(mine) == repr(read)


def test_an_absent_ledger_is_empty(tmp_path: Path) -> None:
    assert list(Ledger(tmp_path / "none.csv")) == []


def test_a_ledger_without_the_newest_column_is_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(RECORD)
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("".join(line.rsplit(",", 2)[0] + "\n" for line in lines))
    assert list(Ledger(ledger.path)) == [changed(RECORD, train_flops=0)]


def test_a_ledger_without_digests_goes_on_without(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(RECORD)
    ledger.path.write_text("".join(line.rpartition(",")[0] + "\n" for line in ledger.path.read_text().splitlines()))
    Ledger(ledger.path).append(changed(RECORD, trial=4))
    assert [row.trial for row in Ledger(ledger.path)] == [3, 4]
    assert "digest" not in ledger.path.read_text()


@settings(max_examples=300, deadline=None)
@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_named_or_changes_nothing(place: int, bit: int) -> None:
    """A changed end of the last line is taken for a line that a killed process left torn."""
    rows = [RECORD, changed(RECORD, trial=4), changed(RECORD, trial=5)]
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.csv")
        for row in rows:
            ledger.append(row)
        data = bytearray(ledger.path.read_bytes())
        data[place % len(data)] ^= 1 << bit
        ledger.path.write_bytes(data)
        try:
            found = list(Ledger(ledger.path))
        except DamagedFileError:
            intact = Ledger(ledger.path).intact()
            assert all(row in rows for row in intact)
            assert len(intact) >= 1
        else:
            assert found == (rows if data.endswith(b"\n") else rows[:-1])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("91.25", "99.5", "line 2: the row does not match its digest"),
        ("trial-0003,", "", "line 2: zip"),
        ("top1", "top2", "line 1: unknown columns top2"),
    ],
)
def test_an_edit_by_hand_is_named_with_its_line(tmp_path: Path, old: str, new: str, reason: str) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    ledger.append(RECORD)
    ledger.path.write_text(ledger.path.read_text().replace(old, new))
    with pytest.raises(DamagedFileError, match=rf"ledger.csv is damaged \({reason}.*\): restore it, or delete the line"):
        list(Ledger(ledger.path))


def test_a_torn_last_line_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    assert not ledger.is_torn
    ledger.append(RECORD)
    assert not ledger.is_torn
    ledger.path.write_bytes(ledger.path.read_bytes()[:-3])
    assert ledger.is_torn


def test_a_damaged_ledger_is_mended_from_its_intact_rows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.csv")
    assert ledger.mend() == ""
    for row in (RECORD, replace(RECORD, trial=9, name="trial-0009")):
        ledger.append(row)
    ledger.path.write_text(ledger.path.read_text().replace("trial-0009", "trial-0008"))
    mended = Ledger(ledger.path)
    assert "line 3: the row does not match its digest), and was set aside as ledger.csv.damaged" in mended.mend()
    assert [row.name for row in mended] == [row.name for row in Ledger(ledger.path)] == [RECORD.name]
