"""The studies of docs/results.md at tiny sizes, summaries that add up, and the page."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from experiments.studies import families, published_scale, results
from experiments.studies.small_seeds import ARCHS
from experiments.studies.tables import tables_of_results
from scaler.budget import Budget
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space
from search_spaces.spaces import architecture

PAGE = results.KEPT.parent / "results.md"
STUDIES: dict[str, Any] = {"families": families, "published_scale": published_scale}


@pytest.mark.parametrize("name", tables_of_results())
def test_the_page_says_what_was_kept(name: str) -> None:
    kept = json.loads((results.KEPT / f"{name}.json").read_text("utf-8"))
    assert kept["summary"] == STUDIES[name].summary(kept["rows"])
    assert kept["command"].startswith(f"python -m experiments.studies.{name} ")
    for expected in (kept["date"], *tables_of_results()[name]):
        assert expected in PAGE.read_text("utf-8")


def test_the_gain_of_the_search_is_that_of_the_kept_benchmark() -> None:
    path = max((PAGE.parents[1] / "benchmarks" / "results").glob("*/search.json"))
    figures = json.loads(path.read_text("utf-8"))["figures"]
    gains = [found["ours_minus_uniform"] for budget, found in figures.items() if "=" in budget]
    said = f"{min(gain['mean'] for gain in gains):.1f} to {max(gain['mean'] for gain in gains):.1f} points"
    for page in (PAGE, PAGE.parents[1] / "README.md"):
        assert said in page.read_text("utf-8")
    assert all(gain["low"] < 0 for gain in gains), "the interval of a gain no longer includes zero: say so on both pages"


def test_counts_of_a_published_model_are_of_its_neighbours() -> None:
    name, seed = "deit_small_patch16_224", "deit_base_patch16_224"
    space, cost = open_space(seed), cost_of(architecture(name))
    kept = json.loads((results.KEPT / "published_scale.json").read_text("utf-8"))
    (row,) = (row for row in kept["rows"] if row["published"] == name)
    archs = list(FeasibleSet(space, Budget()).in_order())
    costs = [cost_of(arch) for arch in archs]
    assert row["space"] == len(archs)
    assert row["within"] == sum(c.flops <= cost.flops and c.params <= cost.params for c in costs)
    equal = [c for c in costs if 0.99 * cost.flops <= c.flops <= 1.01 * cost.flops]
    assert (row["equal"], row["fewer"]) == (len(equal), sum(c.params < cost.params for c in equal))
    assert row["params"] == [min(c.params for c in equal), max(c.params for c in equal)]


def _row(way: str, seed: int, top1: float, distilled: bool = True) -> dict[str, Any]:
    which = dict(zip(families.KEYS, (seed, "deit", families.BUDGETS[0], distilled, way), strict=True))
    return {**which, "top1": top1, "flops": 10, "params": 5, "latency_ms": 1.0, "device": "cpu"}


def test_leads_and_gains_are_paired_by_seed() -> None:
    rows = [_row(families.UNIFORM, seed, 60.0 + 10 * seed) for seed in range(2)]
    rows += [_row(families.SEARCHED, seed, 63.0 + 10 * seed) for seed in range(2)]
    rows += [_row(families.UNIFORM, 0, 58.0, distilled=False)]
    found = families.summary(rows)
    searched, *_ = found["ways"]
    assert (searched["way"], searched["lead"]) == (families.SEARCHED, {"mean": 3.0, "low": 3.0, "high": 3.0})
    gains = {row["part"]: (row["pairs"], row["gain"]["mean"]) for row in found["parts"]}
    assert gains == {"search, against uniform scaling": (2, 3.0), "stored logits, against labels alone": (1, 2.0)}


@pytest.mark.slow
def test_every_way_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "WAYS", ways := (families.SEARCHED, families.SCRATCH, families.MINI))
    families.study(data="digits", out=tmp_path, smoke=True)
    kept = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [(row["distilled"], row["way"]) for row in kept["rows"]] == list(product((True, False), ways))
    assert {row["start"] for row in kept["rows"]} == {"inherited", "random"}
    assert all(row["flops"] <= cost_of(ARCHS["deit"]).flops * 0.33 for row in kept["rows"])
    monkeypatch.setattr(families, "TrainingBackend", None)
    families.study(data="digits", out=tmp_path, smoke=True)
    with pytest.raises(ScalerError, match="a study of other sizes"):
        families.study(data="digits", out=tmp_path, families="deit")
