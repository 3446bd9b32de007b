from dataclasses import replace
from pathlib import Path

import pytest

from experiments.commands import start_search, train
from experiments.commands.teacher_remark import poor_below, remark_on_teacher
from experiments.options.search import SearchOptions
from experiments.options.train import TrainOptions
from experiments.report import frontier
from experiments.scoring.score import SCORE, write_score
from experiments.search.workers import Workers
from models.networks.model_spec import model_spec_of
from scaler.results.score import Metrics, Score
from tests.experiments.scoring.test_backend import ARCH, NOTE


def keep_score(folder: Path, top1: float, split: str = "test") -> None:
    metrics = Metrics(top1=top1, top5=99.0, loss=1.0, images=360)
    write_score(folder / SCORE, "key", Score(metrics=metrics, split=split, epochs=1, seconds=1))


def told(folder: Path, top1: float, capsys: pytest.CaptureFixture[str], split: str = "test", num_classes: int = 10) -> str:
    keep_score(folder, top1, split)
    remark_on_teacher(str(folder), num_classes)
    return capsys.readouterr().err


def test_a_poor_teacher_is_remarked_on_and_a_good_one_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "the teacher's top-1 on the test split is 47.2 %: train it longer, its students learn from it\n"
    assert told(tmp_path, 47.21, capsys) == line
    assert told(tmp_path, 60.0, capsys) == ""
    assert told(tmp_path, 62.0, capsys, "holdout", num_classes=3).startswith("the teacher's top-1 on the h")


@pytest.mark.parametrize("score", ["", "[]", "{", '{"top1": null, "split": "test"}', '{"split": "test"}'])
def test_a_teacher_without_a_readable_score_is_not_remarked_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], score: str
) -> None:
    (tmp_path / SCORE).write_text(score)
    remark_on_teacher(str(tmp_path), 10)
    remark_on_teacher(None, 10)
    remark_on_teacher("no_such_folder", 10)
    assert capsys.readouterr().err == ""


def test_poor_is_below_60_percent_or_twice_chance() -> None:
    assert [round(poor_below(classes), 1) for classes in (2, 3, 4, 10, 1000)] == [75, 66.7, 60, 60, 60]


def test_train_and_search_remark_on_their_teacher_and_a_searchs_workers_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, names in (
        (train, ["train_variant"]),
        (start_search, ["run_search", "join_search"]),
        (frontier, ["write_frontier"]),
    ):
        for name in names:
            monkeypatch.setattr(module, name, lambda *_, **__: None)
    spec = model_spec_of("tiny", ARCH)
    spec.write(tmp_path, NOTE, spec.build().state_dict())
    keep_score(tmp_path, 30.0)
    teacher, out = str(tmp_path), tmp_path / "out"
    train.train(TrainOptions(variant="tiny_vit_1m_32", data="digits", teacher=teacher, out=out))
    assert capsys.readouterr().err.count("the teacher's top-1 on the test split is 30.0 %") == 1
    search = SearchOptions(seed_model="tiny_vit_1m_32", budget=["flops=2M"], data="digits", teacher=teacher, out=out, trials=1)
    start_search.start_search(search, None, Workers(search))
    assert capsys.readouterr().err.count("the teacher's top-1 on the test split is 30.0 %") == 1
    joining = replace(search, as_worker=True)
    start_search.start_search(joining, None, Workers(joining))
    said = capsys.readouterr().err
    assert "the teacher's top-1" not in said
    assert "candidates start from" not in said
