"""Studies at tiny sizes: every training they promise, and a summary that adds up."""

import json
from pathlib import Path

import pytest

from experiments.studies import stored_logits
from experiments.studies.stored_logits import STUDENTS, WAYS


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


def test_the_page_says_what_was_kept() -> None:
    docs = Path(__file__).parents[2] / "docs"
    kept = json.loads((docs / "studies" / "stored_logits.json").read_text())
    assert kept["summary"] == stored_logits._summary(kept["rows"])
    page = (docs / "distillation.md").read_text()
    for row in kept["summary"]:
        assert f"{row['top1']:.2f} ± {row['deviation']:.2f}" in page
    assert len(kept["rows"]) == 3 * 4 * 3


def test_students_hear_their_teacher_in_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_logits, "STUDENTS", {"small": STUDENTS["small"]})
    monkeypatch.setattr(stored_logits, "_SEEDS", (0, 1))
    stored_logits.study(data="digits", out=tmp_path, train_images=100, teachers_images=100, epochs=1)
    found = json.loads((tmp_path / "results.json").read_text())
    assert [(row["way"], row["seed"]) for row in found["rows"]] == [(way, seed) for seed in (0, 1) for way in WAYS]
    assert found["bytes_per_view"]["compact"] < found["bytes_per_view"]["fp16"]
