"""The studies of inheritance at tiny sizes: shapes, kept trainings, summaries that add up, and the page."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.studies import elastic, inheritance_rules, inherited_start, results, small_or_shrunk, torch_pruning
from experiments.studies.small_seeds import ARCHS, random_network, smaller_arch
from experiments.studies.tables import STUDIES, tables
from experiments.studies.trainings import Outcome, Trainings, open_images
from models.networks.model_spec import model_spec_of
from models.zoo.families import build
from scaler.cost.architecture import cost_of
from scaler.cost.fvcore_count import count

PAGES = {"elastic": "elastic.md"}  # of the others the page is this one
PAGE = "inheritance_results.md"


def _name(study: Any) -> str:
    return str(study.__name__.rpartition(".")[2])


SMALL: dict[str, Any] = {"train_images": 60, "seeds_images": 60, "seeds_epochs": 1}


@pytest.mark.parametrize("family", ARCHS)
def test_shapes_are_of_half_to_a_sixth_of_the_flops_along_all_axes(family: str) -> None:
    shapes = [smaller_arch(family, number) for number in range(12)]
    shares = [cost_of(shape).flops / cost_of(ARCHS[family]).flops for shape in shapes]
    assert 0.95 / 6 <= min(shares) < 0.25 < 0.4 < max(shares) <= 1.05 / 2
    axes = {name.partition("[")[0] for name in shapes[0].values()} - {"share", "head_dim", "window_size"}
    varied = {
        name.partition("[")[0] for shape in shapes for name, value in shape.values().items() if value != shapes[0].values()[name]
    }
    assert axes - {"window_sizes"} <= varied | {"mbconv_expand_ratio"}
    assert ("window_sizes" in varied) == (family == "tiny_vit")


def test_a_training_is_kept_and_found_by_its_first_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = model_spec_of("deit", smaller_arch("deit", 0))
    trainings = Trainings(folder=tmp_path, data=open_images("digits", 60, test_images=50))
    assert len(trainings.data.test) == 50
    recipe = replace(RECIPES["proxy"], epochs=1)

    def run(seed: int) -> Outcome:
        return trainings.run("a training", random_network(spec, seed), InputFormat.of(spec), recipe, 0)

    first = run(1)
    monkeypatch.setattr("experiments.studies.trainings.train_model", None)
    assert run(1) == first
    with pytest.raises(TypeError):
        run(2)
    assert [path.suffix for path in tmp_path.glob("*.json")] == [".json"]


def test_rules_are_compared_shape_by_shape() -> None:
    lead = {"base": 0.0, "depth: first": 3.0}
    rows = [
        {"family": "deit", "shape": shape, "seed": seed, "arm": arm, "top1": 50.0 + 10 * shape + seed + lead[arm] * shape}
        for shape in range(2) for seed in range(2) for arm in lead
    ]  # fmt: skip
    base, first = inheritance_rules.summary(rows)
    assert (base["top1"], base["changed"], base["shapes"]) == (55.5, 0, 2)
    assert (first["arm"], first["changed"], first["lead"]["mean"]) == ("depth: first", 1, 1.5)
    # Source: t for one degree of freedom, 12.706, times a standard deviation of 3 / sqrt(2) over sqrt(2).
    assert first["lead"]["high"] - 1.5 == pytest.approx(12.706 * 1.5, rel=1e-3)


def test_the_lead_of_a_start_is_paired_by_seed() -> None:
    rows = [
        {"family": "swin", "part": "1/3", "seed": seed, "start": start, "epochs": 4, "top1": 60.0 + 10 * seed + lead}
        for seed in range(3) for start, lead in (("inherited", 2), ("random", 0))
    ]  # fmt: skip
    (found,) = inherited_start.summary(rows)
    assert (found["lead"]["low"], found["lead"]["high"], found["seeds"]) == (2.0, 2.0, 3)
    assert found["random"]["mean"] == 70


def test_some_classes_are_numbered_from_0() -> None:
    images = open_images("digits", 100, test_images=100)
    some = small_or_shrunk.of_classes(images, (5, 7))
    assert set(some.train.labels) == {0, 1} == set(some.test.labels)
    fives = images.test.indices[images.test.labels == 5]
    assert some.test.indices[some.test.labels == 0].tolist() == fives.tolist()
    assert np.array_equal(
        np.asarray(some.test.image(0)), np.asarray(images.test.image(int(np.isin(images.test.labels, (5, 7)).argmax())))
    )


@pytest.mark.filterwarnings("ignore:Unwrapped parameters detected")
def test_torch_pruning_meets_the_flops() -> None:
    pytest.importorskip("torch_pruning")
    arch = replace(ARCHS["deit"], depth=2)
    network = build(arch)
    target = cost_of(arch).flops // 2
    pruned = torch_pruning.prune_to(target, network, [(torch.randn(2, 3, 24, 24), torch.tensor([0, 1]))])
    assert 0.95 * target <= count(pruned, 24, 3).flops <= target
    assert pruned(torch.randn(1, 3, 24, 24)).shape == (1, 10)
    assert count(network, 24, 3) == cost_of(arch)


def test_places_are_left_out_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["study.py", "--data", "torch/fashion_mnist:/some/where", "--out", "/else/where", "--seeds", "2"]
    )
    results.write_results(tmp_path, "torch_pruning", {"data": "d"}, [], [])
    kept = json.loads((tmp_path / "results.json").read_text())
    expected = "python -m experiments.studies.torch_pruning --data torch/fashion_mnist:ROOT --out DIR --seeds 2"
    assert kept["command"] == expected
    assert {"date", "machine", "versions"} <= kept.keys()


@pytest.mark.parametrize("study", [study for study in STUDIES if _name(study) in tables()], ids=lambda study: _name(study))
def test_the_page_says_what_was_kept(study: Any) -> None:
    name = _name(study)
    kept = json.loads((results.KEPT / f"{name}.json").read_text())
    assert kept["summary"] == study.summary(kept["rows"])
    page = (results.KEPT.parent / PAGES.get(name, PAGE)).read_text()
    assert tables()[name] in page
    assert kept["command"].startswith(f"python -m experiments.studies.{name} ")
    assert kept["date"] in page


def test_cut_members_are_compared_with_the_same_networks_trained_alone() -> None:
    leads, losses = (-3.0, 0.25, -0.75), (0.9, 0.5, 0.7)
    rows = [
        {
            "member": member, "share": 0.6 + 0.15 * member, "resolution": 28 + 4 * (member > 0), "alone": 80.0 + 2 * member,
            "cut": {"trained": {"top1": 80 + 2 * member + lead, "holdout": {"loss": loss, "top1": 70.0 - member}}},
        }
        for member, (lead, loss) in enumerate(zip(leads, losses, strict=True))
    ]  # fmt: skip
    (found,) = elastic.summary(rows)
    assert (found["start"], found["members"], found["median"], found["worst"], found["worst_member"]) == (
        "trained",
        3,
        -0.75,
        -3,
        0,
    )
    assert (found["within_half"], found["within_one"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert found["parts"] == {
        "below 3/4 of the FLOPs": -3.0, "from 3/4 of the FLOPs": -0.25, "28 px": -3.0, "32 px": -0.25
    }  # fmt: skip
    assert (found["tau_loss"], found["tau_top1"]) == (pytest.approx(1 / 3), pytest.approx(-1))


@pytest.mark.slow
def test_a_member_is_trained_alone_and_cut_out_of_elastic_seeds(tmp_path: Path) -> None:
    asked = {"train_images": 60, "seeds_images": 60, "seeds_epochs": 1, "epochs": 1, "test_images": 50}
    elastic.study(data="digits", out=tmp_path, members=1, starts="random,trained", **asked)  # type: ignore[arg-type]
    kept = json.loads((tmp_path / "results.json").read_text())
    assert [row["start"] for row in kept["elastic"]] == ["random", "trained"]
    assert all(1.5 < row["cost"] < 3 for row in kept["elastic"])
    (row,) = kept["rows"]
    assert row["cut"].keys() == {"random", "trained"}
    assert row["share"] >= 0.5


@pytest.mark.slow
def test_rules_are_tried_on_every_shape(tmp_path: Path) -> None:
    inheritance_rules.study(data="digits", out=tmp_path, families="deit", shapes=1, seeds=1, **SMALL)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["arm"] for row in rows] == [arm for arm, choice in inheritance_rules.ARMS.items() if "deit" in choice.families]


@pytest.mark.slow
def test_both_starts_are_trained_for_every_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inherited_start, "EPOCHS", (1,))
    found = inherited_start.compare(tmp_path, "digits", ["deit"], 1, **SMALL)
    assert [(row["part"], row["epochs"]) for row in found] == [(part, 1) for part in inherited_start.PARTS]


@pytest.mark.slow
def test_three_ways_learn_other_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_or_shrunk, "_RECIPE", replace(small_or_shrunk._RECIPE, epochs=1))
    small_or_shrunk.study(data="digits", out=tmp_path, seeds=1, pretraining_images=120, pretraining_epochs=1, tuning_images=60)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    expected = product(small_or_shrunk.TASKS, small_or_shrunk.WAYS)
    assert [(row["task"], row["way"]) for row in rows] == list(expected)


def test_every_way_is_compared_with_the_small_one_by_seed() -> None:
    tops = {"shrunk, uniform scaling": 75.0, small_or_shrunk.SMALL: 73.0}
    rows = [
        {"task": "digits", "way": way, "seed": seed, "top1": top + seed, "seconds": 1.0}
        for way, top in tops.items() for seed in range(2)
    ]  # fmt: skip
    shrunk, small = small_or_shrunk.summary(rows)
    assert (shrunk["top1"]["mean"], shrunk["lead"]["mean"], small["lead"]["mean"]) == (75.5, 2.0, 0.0)
