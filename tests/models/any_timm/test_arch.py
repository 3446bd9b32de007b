"""Any timm model as a seed, through the same space and feasible set as the families that describe their parts."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import timm

from models.any_timm.arch import TimmArch, counted
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.families import build, family
from scaler.budget import Bound, Budget
from scaler.cost.architecture import cost_of
from scaler.cost.fvcore_count import count
from scaler.cost.operators import Cost
from scaler.errors import ScalerError, UnknownNameError
from scaler.results import variant
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space

AXES = {"depths": [[1], [1], [1, 2], [1]], "dims": [[8, 16], [16], [24], [32]], "resolution": [32, 64]}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def axes_file(tmp_path: Path, axes: object = AXES) -> Path:
    (tmp_path / "axes.json").write_text(json.dumps(axes))
    return tmp_path / "axes.json"


def test_the_feasible_set_of_a_convnext_agrees_with_counting_each(tmp_path: Path) -> None:
    space = open_space("convnext_atto", axes=axes_file(tmp_path), num_classes=10)
    costs = {}
    for depth, width, side in product([1, 2], [8, 16], [32, 64]):
        model = timm.create_model("convnext_atto", depths=(1, 1, depth, 1), dims=(width, 16, 24, 32), num_classes=10)
        costs[depth, width, side] = count(model, side)
    budget = Budget((("flops", Bound(0, sorted(c.flops for c in costs.values())[4])),))
    feasible = FeasibleSet(space, budget)
    assert feasible.size == 5
    for arch in feasible.sample(20, np.random.default_rng(0)):
        values = arch.values()
        assert cost_of(arch) == costs[values["depths[2]"], values["dims[0]"], arch.resolution]


def test_the_seed_itself_is_what_timm_builds(tmp_path: Path) -> None:
    seed = open_space("convnext_atto", axes=axes_file(tmp_path)).seed
    assert cost_of(seed) == count(timm.create_model("convnext_atto"), 224)


def test_counts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arch = TimmArch(model="resnet10t", resolution=32, num_classes=2)
    first = counted([arch])
    monkeypatch.setattr(timm, "create_model", None)
    assert counted([arch]) == first != [None]
    assert (tmp_path / "cache" / "scaler" / "counts.db").exists()


def test_what_timm_cannot_build_is_left_out(tmp_path: Path) -> None:
    """vit_tiny has 3 heads: a width that they do not divide cannot be built, and 30 pixels are no whole patches."""
    axes = {"embed_dim": [48, 50], "depth": [1]}
    space = open_space("vit_tiny_patch16_224", axes=axes_file(tmp_path, axes))
    assert space.size == 2
    feasible = FeasibleSet(space, Budget())
    assert feasible.size == 1
    assert feasible.choices()["embed_dim"] == [48]


def test_an_architecture_survives_json_and_becomes_a_variant(tmp_path: Path) -> None:
    arch = open_space("convnext_atto", axes=axes_file(tmp_path), num_classes=10).arch([0, 0, 1, 0, 1, 0, 0, 0, 0])
    assert family("timm").from_dict(json.loads(json.dumps(arch.to_dict()))) == arch
    note = variant.VariantInfo(family="timm", arch=arch.to_dict(), seed_model="convnext_atto", budget="", flops=1, params=2)
    model_spec_of("small", arch).write(tmp_path / "v", note, build(arch).state_dict())
    again = open_model_spec(str(tmp_path / "v"))
    assert again.arch == arch
    assert again.count() == cost_of(arch) == Cost(*cost_of(arch))
    assert timm.create_model(f"local-dir:{tmp_path / 'v'}", pretrained=True).num_classes == 10


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (None, "convnext_atto has no axes of its own: name arguments of its constructor with --axes"),
        ({"depths": [[1, 0]]}, "each a list of positive numbers"),
        ({"depths": [list(range(1, 70))] * 2}, "hold 4,761 architectures, each to be built: narrow them to 4,096"),
    ],
)
def test_axes_that_cannot_be_counted_are_refused(tmp_path: Path, axes: object, message: str) -> None:
    with pytest.raises(ScalerError, match=message):
        open_space("convnext_atto", axes=None if axes is None else axes_file(tmp_path, axes))


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown seed 'convnext_atoo': did you mean 'convnext_atto'"):
        open_space("convnext_atoo")
