"""Any timm model as a seed, through the same space and feasible set as the families that describe their parts."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models.any_timm import arch as arch_module
from models.any_timm.arch import TimmArch, count_networks
from models.any_timm.count_cache import Failure
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.families import build, family
from scaler.budget import Bound, Budget
from scaler.cost.architecture import cost_of
from scaler.cost.fvcore_count import count
from scaler.cost.operators import Cost
from scaler.errors import ScalerError
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


def test_counts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arch = TimmArch(model="resnet10t", resolution=32, num_classes=2)
    first = count_networks([arch])
    arch_module._count.cache_clear()
    monkeypatch.setattr(timm, "create_model", None)
    assert count_networks([arch]) == first == [cost_of(arch)]
    assert (tmp_path / "cache" / "scaler" / "counts.db").exists()


def test_what_timm_cannot_build_is_left_out(tmp_path: Path) -> None:
    """vit_tiny has 3 heads: a width that they do not divide cannot be built, and 30 pixels are no whole patches."""
    axes = {"embed_dim": [48, 50], "depth": [1]}
    space = open_space("vit_tiny_patch16_224", axes=axes_file(tmp_path, axes))
    assert space.size == 2
    feasible = FeasibleSet(space, Budget())
    assert feasible.size == 1
    assert feasible.choices()["embed_dim"] == [48]
    assert space.seed.values()["embed_dim"] == 48
    other = space.arch_of({"embed_dim": 50})
    assert other not in feasible
    with pytest.raises(ScalerError, match=r"cannot count vit_tiny_patch16_224 .*AssertionError"):
        cost_of(other)


@pytest.mark.parametrize(
    ("resolution", "args", "reason"),
    [
        (32, (("depthz", 1),), r"TypeError: ConvNeXt.__init__\(\) got an unexpected keyword argument 'depthz'"),
        (32, (("depths", 2),), r"ValueError: .*depths"),
        (1, (), r"the model does not run on an image of shape \(1, 3, 1, 1\)"),
    ],
)
def test_the_reason_is_told_for_what_is_not_counted(resolution: int, args: tuple[Any, ...], reason: str) -> None:
    (found,) = count_networks([TimmArch(model="convnext_atto", args=args, resolution=resolution)])
    assert isinstance(found, Failure)
    assert re.match(reason, found.reason)


def test_an_operator_that_cannot_be_counted_is_an_error_and_no_network_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fourier(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft2(images).real

    monkeypatch.setattr(timm, "create_model", lambda *_, **__: Fourier())
    with pytest.raises(ScalerError, match="cannot count aten::fft"):
        count_networks([TimmArch(model="convnext_atto", resolution=9)])


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
