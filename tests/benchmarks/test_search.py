"""Searches in made-up worlds: what a world keeps to, and the figures of the comparison."""

import json

import numpy as np
import pytest

from benchmarks import ranking, search
from benchmarks.worlds import World, read_kept
from search_spaces.problem import spaces

SPACE, (FEASIBLE,) = spaces("tiny_vit_1m_32", ["flops=1.485M..1.515M"], num_classes=10)


def test_a_world_repeats_agrees_with_the_table_and_has_cheap_scores_of_some_worth() -> None:
    kept = read_kept(ranking.KEPT, SPACE)
    points = FEASIBLE.sample_points(100, np.random.default_rng(0))
    worlds = [World(kept, SPACE, seed) for seed in (0, 0, 1)]
    first, again, other = (world.true(points) for world in worlds)
    assert (first == again).all()
    assert (first != other).all()
    assert abs(first.mean() - kept.tops.mean()) < 2 * kept.tops.std()
    found = [np.corrcoef(world.cheap(points), world.true(points))[0, 1] for world in worlds]
    assert 0 < np.mean(found) < 0.9
    full = np.corrcoef(worlds[0].full(points), first)[0, 1]
    assert np.mean(found) < full < 1


def test_every_budget_has_the_promised_figures() -> None:
    figures = search.compare(ranking.KEPT, 1, (search.OURS, "random"))
    budgets = [found for name, found in figures.items() if name.startswith("flops=")]
    assert budgets
    for found in budgets:
        assert {"ours", "random", "uniform", "width", "sovit", "highest-resolution"} <= found.keys()
        assert found["ours_minus_uniform"]["mean"] == pytest.approx(found["ours"]["mean"] - found["uniform"]["mean"])
        assert found["gap_covered"]["mean"] <= 1


def test_the_page_has_the_table_of_the_worlds_that_are_kept() -> None:
    page = (ranking.KEPT.parents[1] / "searching.md").read_text()
    assert search.table(json.loads(search.RESULT.read_text())["figures"]) in page
