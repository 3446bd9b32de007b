"""The spaces around timm's own models, whose parts nothing describes."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm

from experiments.scoring.records import variant_info
from models.any_timm.arch import TimmArch
from models.networks.model_spec import model_spec_of
from scaler.budget import Bound, Budget
from scaler.cost.architecture import cost_of
from scaler.cost.fvcore_count import count
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space
from search_spaces.compound_scaling import compound_scaling
from search_spaces.problem import read_budget

CONVNEXT = {"depths": [[1], [1], [1, 2], [1]], "dims": [[8, 16], [16], [24], [32]], "resolution": [32, 64]}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def axes_file(tmp_path: Path, axes: Any = CONVNEXT) -> Path:
    (tmp_path / "axes.json").write_text(json.dumps(axes))
    return tmp_path / "axes.json"


def test_the_seed_of_a_space_is_its_largest_architecture(tmp_path: Path) -> None:
    space = open_space("convnext_atto", axes=axes_file(tmp_path))
    values = {"depths[0]": 1, "depths[1]": 1, "depths[2]": 2, "depths[3]": 1}
    values |= {"dims[0]": 16, "dims[1]": 16, "dims[2]": 24, "dims[3]": 32}
    assert space.seed.values() == values | {"resolution": 64}
    assert space.arch(space.nearest(space.seed.values())) == space.seed


def test_percentages_are_relative_to_timms_own_model(tmp_path: Path) -> None:
    space = open_space("convnext_atto", axes=axes_file(tmp_path), num_classes=10)
    own = count(timm.create_model("convnext_atto", num_classes=10), 224)
    budget = read_budget("flops=50%,params=100%,resolution=100%", space)
    assert budget["flops"] == Bound(0, own.flops // 2)
    assert budget["params"] == Bound(0, own.params)
    assert budget["resolution"] == Bound(0, 224)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("convnext_atto", {"depths": [[1], [1], [1, 2], [1, 2]], "dims": [[8], [8], [8], [16]], "resolution": [32]}),
        ("convnext_atto", {"depths": [[1], [1], [1], [1]], "dims": [[8], [8], [8, 16], [8, 16]], "resolution": [32]}),
        ("resnet18", {"layers": [[1], [1], [1, 2], [1, 2]], "resolution": [32]}),
    ],
)
def test_uniform_scaling_shrinks_all_stages_together(tmp_path: Path, name: str, axes: Any) -> None:
    space = open_space(name, axes=axes_file(tmp_path, axes))
    free = [i for i, choices in enumerate(space.variables.values()) if len(choices) == 2]
    one_less = [tuple(int(i in free and i != less) for i in range(len(space.variables))) for less in free]
    budget = Budget((("flops", Bound(0, max(space.cost(space.arch(point)).flops for point in one_less))),))
    assert compound_scaling(space, FeasibleSet(space, budget)) == (0,) * len(space.variables)


def test_a_variant_of_a_timm_model_keeps_the_arguments_that_no_axis_names(tmp_path: Path) -> None:
    arch = TimmArch(model="convnext_atto", args=(("depths", (1, 1, 2, 1)), ("dims", (8, 16, 24, 32))), resolution=64)
    spec = model_spec_of("small", arch)
    spec.write(tmp_path / "v", variant_info(spec, "convnext_atto"))
    space = open_space(str(tmp_path / "v"), axes=axes_file(tmp_path, {"depths": [[1], [1], [1], [1]]}))
    assert space.seed.to_dict() == arch.to_dict() | {"depths": [1, 1, 1, 1]}
    assert read_budget("flops=100%", space)["flops"].high == cost_of(arch).flops


@pytest.mark.parametrize(
    ("name", "axes", "message"),
    [
        (
            "convnext_atto",
            {"depthz": [[1], [1, 2]]},
            "none of the 2 networks .*ConvNeXt.* unexpected keyword argument 'depthz'",
        ),
        ("efficientnet_b0", {"channel_multiplier": [0.5, 1.0]}, "none of the 2 .*multiple values for .*'channel_multiplier'"),
        ("vit_tiny_patch16_224", {"embed_dim": [50, 52], "depth": [1]}, r"none of the 2 .*\(AssertionError.*change the axes"),
        (
            "convnext_atto",
            {"dims": [[8], [8], [8], [8]], "depths": [[1], [1], [1], [1]], "resolution": [1, 2, 3]},
            r"none of the 3 .* \(for 1 of them: the model does not run on an image of shape",
        ),
    ],
)
def test_axes_of_which_timm_builds_nothing_are_refused_with_timms_reason(
    tmp_path: Path, name: str, axes: Any, message: str
) -> None:
    with pytest.raises(ScalerError, match=message):
        open_space(name, axes=axes_file(tmp_path, axes))
