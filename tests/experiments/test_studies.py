"""Studies at tiny sizes: every training they promise, and a summary that adds up."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from experiments.ranking.scores import read_scores
from experiments.ranking.truth import Settings, TruthTable
from experiments.studies import disturbances, kills, pretrained, scores, stored_logits, truth, weight_distillation
from experiments.studies.small_jobs import make_jobs
from experiments.studies.stored_logits import STUDENTS, WAYS
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError


def test_the_summary_is_of_the_seeds_of_each_student_and_way() -> None:
    rows = [
        {"student": name, "way": way, "seed": seed, "top1": 80.0 + seed + (way == "stored")}
        for name in STUDENTS for way in WAYS for seed in range(3)
    ]  # fmt: skip
    found = {(row["student"], row["way"]): row for row in stored_logits._summary(rows)}
    assert len(found) == 12
    assert found["small", "online"] == {
        "student": "small", "way": "online", "top1": 81.0, "deviation": 1.0, "stored_minus_it": 1.0
    }  # fmt: skip
    assert found["large", "stored"]["stored_minus_it"] == 0


@pytest.mark.parametrize(
    ("study", "page", "trainings"),
    [(stored_logits, "distillation.md", 3 * 4 * 3), (weight_distillation, "multiplexing.md", 3 * 2 * 6)],
)
def test_the_page_says_what_was_kept(study: Any, page: str, trainings: int) -> None:
    docs = Path(__file__).parents[2] / "docs"
    kept = json.loads((docs / "studies" / f"{study.__name__.rpartition('.')[2]}.json").read_text())
    assert kept["summary"] == study._summary(kept["rows"])
    for row in kept["summary"]:
        assert f"{row['top1']:.2f} ± {row['deviation']:.2f}" in (docs / page).read_text()
    assert len(kept["rows"]) == trainings


@pytest.mark.slow
def test_students_hear_their_teacher_in_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_logits, "STUDENTS", {"small": STUDENTS["small"]})
    monkeypatch.setattr(stored_logits, "_SEEDS", (0, 1))
    stored_logits.study(data="digits", out=tmp_path, train_images=100, teachers_images=100, epochs=1)
    found = json.loads((tmp_path / "results.json").read_text())
    assert [(row["way"], row["seed"]) for row in found["rows"]] == [(way, seed) for seed in (0, 1) for way in WAYS]
    assert found["bytes_per_view"]["compact"] < found["bytes_per_view"]["fp16"]


@pytest.mark.slow
def test_multiplexed_students_hear_labels_answers_and_relations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_distillation, "TEACHERS", {"deit": "deit_1m_patch4_32"})
    monkeypatch.setattr(weight_distillation, "_SEEDS", (0, 1))
    trainings = [(name, way) for way in ("labels", "relations") for name in ("plain", "multiplexed")]
    monkeypatch.setattr(weight_distillation, "TRAININGS", trainings)
    archs = {name: replace(arch, depth=2, resolution=16) for name, arch in weight_distillation.students("deit").items()}
    monkeypatch.setattr(weight_distillation, "students", lambda _: {name: archs[name] for name in ("plain", "multiplexed")})
    weight_distillation.study(data="digits", out=tmp_path, train_images=60, teachers_images=60, epochs=1)
    found = json.loads((tmp_path / "results.json").read_text())
    assert len(found["rows"]) == 2 * 2 * 2
    params = {name: cost_of(arch).params for name, arch in archs.items()}
    assert params["shared"] < params["multiplexed"] < params["plain"]
    assert {row["over_labels"] for row in found["summary"] if row["way"] == "labels"} == {0.0}


@pytest.mark.slow
def test_a_training_under_fire_ends_as_one_in_peace(tmp_path: Path) -> None:
    for _ in range(2):  # the second call adds to the results of the first
        kills.study(out=tmp_path, kills=1, only=["train"])
    assert json.loads((tmp_path / "results.json").read_text()) == {"train": {"kills": 2, "ended": ANY, "different": 0}}


@pytest.mark.slow
def test_two_commands_in_one_folder_end_as_one_in_peace(tmp_path: Path) -> None:
    (job,) = (job for job in make_jobs(tmp_path / "inputs", kills.run_whole) if job.name == "teach")
    kills.run_whole(job.command(tmp_path / "whole" / "run"), tmp_path / "log")
    assert disturbances._two_at_once(job, tmp_path) in ({"ended": 1, "told": 1}, {"ended": 2, "told": 0})
    assert job.result(tmp_path / "run") == job.result(tmp_path / "whole" / "run")


@pytest.mark.slow
def test_a_table_of_truth_and_its_scores_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.ranking.scores._STEPS", (1,))
    settings = Settings(
        data="digits", train_images=100, epochs=1, seed_images=100, seed_epochs=1, holdout_images=50, nets=1, repeats=2, longer=2,
        longer_nets=1,
    )  # fmt: skip
    for _ in range(2):
        truth.build(settings, "digits", tmp_path)
        scores.study("digits", tmp_path, elastic_epochs=1)
    rows = TruthTable(tmp_path).trainings()
    assert [row.key for row in rows] == [("equal", 0, 0), ("equal", 0, 1), ("range", 0, 0), ("range", 0, 1), ("longer", 0, 0)]
    assert [row.epochs for row in rows] == [1, 1, 1, 1, 2]
    found = read_scores(tmp_path)
    names = {score.name for score in found}
    assert {"params", "nwot", "synflow", "replaced_parts", "inherited_0_loss", "random_1_train_losses", "elastic_loss"} <= names
    assert len({(score.name, score.group, score.net) for score in found}) == len(found) == len(names) * 2
    with pytest.raises(ScalerError, match="holds other settings than Settings"):
        truth.build(replace(settings, epochs=2), "digits", tmp_path)


def test_the_table_of_pretrained_weights_is_that_of_the_kept_results() -> None:
    rows = [{"way": way, "seed": seed, "top1": 80.0 + at + seed} for at, way in enumerate(pretrained.WAYS) for seed in range(3)]
    found = {"epochs": 4, "students_epochs": 8, "summary": pretrained._summary(rows)}
    table = pretrained.markdown(found).splitlines()
    assert len(table) == 2 + len(pretrained.WAYS)
    assert table[3] == f"| {pretrained.WAYS['lite0, random weights']} | 4 | 82.00 ± 1.00 |"
    assert table[4].endswith("| 8 | 83.00 ± 1.00 |")


def test_the_page_on_pretrained_weights_has_the_table_of_the_kept_results() -> None:
    docs = Path(__file__).parents[2] / "docs"
    kept = json.loads((docs / "studies" / "pretrained.json").read_text())
    assert pretrained.markdown(kept) in (docs / "pretrained.md").read_text()
