"""The benchmark of scores, on tables whose truth is known, and the table that is kept."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ranking
from benchmarks.ranking_group import probe_of
from experiments.ranking.readings import Reading
from experiments.ranking.scores import Score, add_scores
from experiments.ranking.truth import EQUAL, LONGER, RANGE, Settings, TruthTable
from scaler.errors import ScalerError
from tests.experiments.ranking.test_truth import origin, row

SETTINGS = Settings(data="digits", nets=20, train_images=100)
QUALITY = np.random.default_rng(0).permutation(20).astype(float)
WHOLE = 3 * 10 * 90  # FLOPs of a training: three passes for each of 90 images, of a network of 10 FLOPs


def table(folder: Path, noise: float = 0.0, repeats: int = 3, groups: tuple[str, ...] = (EQUAL, RANGE)) -> Path:
    found, rng = TruthTable(folder), np.random.default_rng(1)
    found.begin(origin(SETTINGS))
    for group in groups:
        for repeat in range(repeats):
            for net, quality in enumerate(QUALITY):
                training = row(net, repeat, 50 + quality + noise * float(rng.normal()))
                found.add(replace(training, group=group, resolution=24 + 4 * (net % 2), holdout_loss=(float(-quality),)))
    return folder


def score(folder: Path, name: str, values: np.ndarray, share: float, group: str = EQUAL) -> None:
    readings = [Reading(value=float(value), flops=round(share * WHOLE), seconds=0.25) for value in values]
    add_scores(folder, [Score(name=name, group=group, net=net, reading=reading) for net, reading in enumerate(readings)])


def test_a_perfect_score_reaches_one_and_is_ahead_of_the_noisy_ceiling(tmp_path: Path) -> None:
    folder = table(tmp_path, noise=6.0)
    score(folder, "params", -QUALITY, 0)
    score(folder, "perfect", QUALITY, 0.1)
    found = ranking.compare(folder, 200)
    assert 0 < found["ceiling_tau"] < 0.8
    assert found["ceiling"][0] == found["ceiling_tau"]
    assert found["perfect"]["tau"][0] == -found["params"]["tau"][0] > found["ceiling_tau"]
    assert found["perfect"]["minus_ceiling"][0] > 0
    assert found["perfect"]["minus_params"][1] > 0.5
    assert found["perfect"]["cost_fraction"] == pytest.approx(0.1)
    assert found["perfect"]["seconds_fraction"] == pytest.approx(0.5)
    assert (found["nets"], found["repeats"]) == (20, 3)
    low, high = found["perfect"]["tau"][1:]
    assert low < found["perfect"]["tau"][0] < high


def test_without_noise_one_training_is_as_good_as_the_score_that_is_right(tmp_path: Path) -> None:
    folder = table(tmp_path)
    score(folder, "perfect", QUALITY, 0.1)
    score(folder, "wrong", np.roll(QUALITY, 3), 0.01)
    found = ranking.compare(folder, 50)
    assert found["ceiling"] == (1, 1, 1)
    assert found["repeat_sd"] == 0
    assert found["spread"] == pytest.approx(np.std(QUALITY, ddof=1))
    perfect = found["perfect"]
    assert (perfect["tau"], perfect["regret"], perfect["precision_top_tenth"]) == ((1, 1, 1), 0, 1)
    assert perfect["minus_ceiling"] == (0, 0, 0)
    assert found["one_training_holdout_loss"]["tau"][0] == 1
    chosen = np.argmax(np.roll(QUALITY, 3))
    assert found["wrong"]["regret"] == QUALITY.max() - QUALITY[chosen]


def test_the_mean_of_log_ranks_is_of_the_other_groups_best(tmp_path: Path) -> None:
    folder = table(tmp_path)
    rng = np.random.default_rng(2)
    for name in ("inherited_10_top1", "nwot", "synflow", "random_10_top1"):
        score(folder, name, rng.permutation(20), 0.02)
    # Over the range these rank perfectly, and two of one probe count once; the others are bad or dear.
    for name, share in (("inherited_10_top1", 0.02), ("nwot", 0.02), ("synflow", 0.01), ("random_10_top1", 0.5)):
        score(folder, name, QUALITY, share, RANGE)
    score(folder, "inherited_10_loss", QUALITY, 0.02, RANGE)
    score(folder, "inherited_10_loss", QUALITY, 0.02)
    found = ranking.compare(folder, 50)["log_rank_mean"]
    assert len(found["members"]) == 3
    assert "random_10_top1" not in found["members"]
    assert len({probe_of(name) for name in found["members"]}) == 3
    assert found["cost_fraction"] == pytest.approx(0.06)
    assert found["range"]["members"] != found["members"]


def test_an_unfinished_table_is_judged_by_its_first_networks(tmp_path: Path) -> None:
    folder, found = table(tmp_path, groups=()), TruthTable(tmp_path)
    with pytest.raises(ScalerError, match=r"run `python -m experiments\.studies\.truth`"):
        ranking.compare(folder, 10)
    for net in range(15):
        found.add(row(net, 0, 50 + QUALITY[net]))
    score(folder, "perfect", QUALITY, 0.1)
    figures = ranking.compare(folder, 10)
    assert (figures["nets"], figures["repeats"], figures["ceiling_tau"]) == (15, 1, None)
    assert figures["perfect"]["tau"] == (1, 1, 1)
    assert "minus_ceiling" not in figures["perfect"]
    for net in range(7):
        found.add(row(net, 1, 50 + QUALITY[net]))
    figures = ranking.compare(folder, 10)
    assert (figures["nets"], figures["repeats"], figures["ceiling_tau"]) == (7, 2, 1)
    assert "range" not in figures


def test_networks_that_were_trained_longer_are_compared_with_their_means(tmp_path: Path) -> None:
    folder = table(tmp_path)
    for net in (0, 5, 9):
        TruthTable(folder).add(replace(row(net, 0, -QUALITY[net]), group=LONGER))
    assert ranking.compare(folder, 10)["longer"]["tau"] == -1


def test_the_page_has_the_table_of_the_trainings_that_are_kept() -> None:
    page = (ranking.KEPT.parents[1] / "ranking.md").read_text()
    assert ranking.table() in page
    kept = TruthTable(ranking.KEPT)
    rows = kept.trainings()
    assert len({training.key for training in rows}) == len(rows)
    assert f"{len(rows)} trainings" in page
    assert sum(path.stat().st_size for path in ranking.KEPT.iterdir()) < 2e6


def test_the_kept_figures_are_json() -> None:
    figures = json.loads(json.dumps(ranking.run(quick=True)))
    assert "ceiling_tau" in figures
    for name in ("params", "flops", "nwot", "synflow", "random_21_top1", "inherited_21_train_losses"):
        assert len(figures[name]["tau"]) == 3
        assert figures[name]["cost_fraction"] >= 0
    assert not [name for name in figures if not re.fullmatch(r"[a-z0-9_]+", name)]
