import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.zoo.seeds import SEEDS
from scaler.budget import Bound, Budget
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space


@pytest.mark.parametrize("name", SEEDS)
def test_every_space_holds_its_seed_and_nothing_wider_or_deeper(name: str) -> None:
    space, arch = open_space(name), SEEDS[name]
    values = arch.values()
    assert space.arch(space.point(arch)) == arch
    for variable, choices in space.variables.items():
        if variable.startswith("share"):
            assert values[variable] in choices
        elif not variable.startswith(("window", "head_dim")):
            assert choices[-1] == values[variable]
    assert FeasibleSet(space, Budget()).size <= space.size
    assert FeasibleSet(space, Budget()).size == space.size or arch.MULTIPLEXED


@pytest.mark.parametrize("name", ["deit_1m_patch4_32", "swin_1m_patch2_32"])
def test_feasible_sets_of_all_families_agree_with_brute_force(name: str, tmp_path: Path) -> None:
    axes = (
        {"depth": [1, 2, 6], "mlp_ratio": [2.0, 3.3]} if "deit" in name else {"mlp_ratio": [2.0, 3.3], "window_size": [3, 4, 9]}
    )
    space = open_space(name, axes=axes_file(tmp_path, axes))
    costs = [cost_of(space.arch(point)) for point in product(*(range(len(c)) for c in space.variables.values()))]
    middle = sorted(cost.flops for cost in costs)[len(costs) // 3]
    params = sorted(cost.params for cost in costs)[len(costs) // 2]
    budget = Budget((("flops", Bound(0, middle)), ("params", Bound(0, params))))
    assert FeasibleSet(space, budget).size == sum(c.flops <= middle and c.params <= params for c in costs)


@pytest.mark.parametrize("name", ["mini_tiny_vit_1m_32", "mini_deit_1m_patch4_32", "mini_swin_1m_patch2_32", "swin_1m_patch2_32"])
def test_sharing_is_an_axis_and_only_whole_groups_are_members(name: str, tmp_path: Path) -> None:
    axes = {"share": [1, 2, 3]} | (
        {"depth": [1, 2, 3, 4, 6]} if "deit" in name else {"depths": [[1, 2, 3], [2, 3], [1, 2, 3, 6]]}
    )
    if "tiny_vit" in name:
        axes["depths"].append([6])
    feasible = FeasibleSet(open_space(name, axes=axes_file(tmp_path, axes)), Budget())
    shares = set()
    for arch in feasible.sample(100, np.random.default_rng(0)):
        depths, passes = (arch.depth, arch.share) if "deit" in name else (arch.depths, arch.share)
        shares |= {passes} if isinstance(passes, int) else set(passes)
        whole = zip(depths, passes, strict=True) if isinstance(depths, tuple) else [(depths, passes)]
        assert all(depth % share == 0 for depth, share in whole)
    assert shares >= {1, 2}


def test_the_published_models_lie_in_the_space_of_the_largest() -> None:
    space = open_space("tiny_vit_21m_224")
    for name in ("tiny_vit_5m_224", "tiny_vit_11m_224"):
        assert space.arch(space.point(SEEDS[name])) == SEEDS[name]


def axes_file(tmp_path: Path, axes: Any) -> Path:
    path = tmp_path / "axes.json"
    path.write_text(json.dumps(axes))
    return path


def test_an_axes_file_replaces_what_it_names(tmp_path: Path) -> None:
    axes = {"depths": [[1], [2], [2, 3], [1]], "mlp_ratio": [3.0, 4.0], "head_dim": [16, 32]}
    space = open_space("tiny_vit_5m_224", axes=axes_file(tmp_path, axes))
    assert space.axes()["depths"] == [[1], [2], [2, 3], [1]]
    assert space.axes()["mlp_ratio"] == [3.0, 4.0]
    assert space.axes()["embed_dims"] == open_space("tiny_vit_5m_224").axes()["embed_dims"]
    drawn = space.arch_of({"head_dim": 16, "depths[2]": 3})
    assert drawn.to_dict()["num_heads"] == [4, 8, 10, 20]
    assert drawn.to_dict()["depths"] == [2, 2, 3, 2]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"depht": [1]}, "unknown axis 'depht': did you mean 'depths'"),
        ({"depths": [1, 2]}, "it takes a list of choices for each of 4 stages"),
        ({"depths": [[1], [1], [1], []]}, "it takes a list of choices for each of 4 stages"),
        ({"mlp_ratio": [[3.0]]}, "it takes one list of choices"),
        ({"mlp_ratio": ["a"]}, "it takes one list of choices"),
        ({"resolution": [-32]}, "each a list of positive whole numbers"),
        ({"resolution": [33.5]}, "each a list of positive whole numbers"),
        ({"depths": [[1.5], [1], [1], [1]]}, "each a list of positive whole numbers"),
        ({"mlp_ratio": [float("inf")]}, "each a list of positive numbers up to a million"),
        ({"mlp_ratio": [float("nan")]}, "each a list of positive numbers up to a million"),
        ({"embed_dims": [[32], [64], [128], [10**21]]}, "whole numbers up to a million"),
        ({"embed_dims": [[32], [48], [64], [96]]}, "48 is not a multiple of head_dim"),
        ({"share": [[1], [1], [7], [1]]}, "share 7 divides none of the depths"),
        ([1], "Input should be an object"),
    ],
)
def test_malformed_axes_are_refused(tmp_path: Path, axes: Any, message: str) -> None:
    with pytest.raises(ScalerError, match=message):
        open_space("tiny_vit_5m_224", axes=axes_file(tmp_path, axes))


@pytest.mark.parametrize("name", ["deit_1m_patch4_32", "mini_deit_1m_patch4_32", "swin_1m_patch2_32"])
def test_an_image_below_one_patch_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"axis 'resolution': 1 is below one patch of \d pixels"):
        open_space(name, axes=axes_file(tmp_path, {"resolution": [1, 32]}))


def test_an_unreadable_axes_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="is damaged"):
        open_space("tiny_vit_5m_224", axes=tmp_path / "none.json")


def test_classes_follow_the_task() -> None:
    assert open_space("tiny_vit_5m_224", num_classes=7).seed.num_classes == 7


@pytest.mark.parametrize(
    ("name", "axes", "built"),
    [
        ("tiny_vit_1m_32", {"mlp_ratio": [0.001, 2.0]}, {"mlp_ratio": [2.0]}),
        ("tiny_vit_1m_32", {"mbconv_expand_ratio": [0.001, 2.0]}, {"mbconv_expand_ratio": [2.0]}),
        ("tiny_vit_1m_32", {"embed_dims": [[17, 32], [64], [128], [160]]}, {"embed_dims": [[32], [64], [128], [160]]}),
        ("deit_1m_patch4_32", {"mlp_ratio": [0.001, 2.0]}, {"mlp_ratio": [2.0]}),
        ("swin_1m_patch2_32", {"mlp_ratio": [0.001, 2.0]}, {"mlp_ratio": [2.0]}),
    ],
)
def test_what_no_network_has_is_not_counted(name: str, axes: Any, built: Any, tmp_path: Path) -> None:
    """A hidden layer of no channels, half a channel: timm builds another network, or none."""
    whole, part = (FeasibleSet(open_space(name, axes=axes_file(tmp_path, those)), Budget()) for those in (axes, built))
    assert whole.size == part.size > 0
    assert whole.choices() == part.choices()
    assert all(arch in part for arch in whole.sample(20, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("tiny_vit_1m_32", {"resolution": [10**6], "depths": [[1], [1], [1], [10**6]]}),
        ("deit_1m_patch4_32", {"embed_dim": [10**6], "head_dim": [1], "depth": [6, 10**6]}),
        ("swin_1m_patch2_32", {"window_size": [10**6], "resolution": [10**6]}),
    ],
)
def test_costs_beyond_64_bits_are_refused(name: str, axes: Any, tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"of \w+ would cost above 10\^15 FLOPs: narrow .*"):
        _ = FeasibleSet(open_space(name, axes=axes_file(tmp_path, axes)), Budget()).size
