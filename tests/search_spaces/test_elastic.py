"""Spaces of elastic seeds: a few coarse values, members drawn by FLOPs, and what a search may ask of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from scaler.budget import Bound, Budget
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from search_spaces.elastic import ElasticNote, MemberPlan, check_axes, elastic_space, trained_part
from search_spaces.spaces import open_space

SEED = "tiny_vit_1m_32"


def test_axes_keep_a_few_values_from_a_half_up_and_named_ones_as_they_are(tmp_path: Path) -> None:
    space, whole = elastic_space(SEED), open_space(SEED)
    assert space.variables["embed_dims[2]"] == (64, 96, 128)
    assert space.variables["resolution"] == (24, 28, 32)
    own = space.seed.values()
    for name, choices in space.variables.items():
        value = own.get(name) or own["head_dim[1]"]
        assert set(choices) <= set(whole.variables[name])
        assert choices[-1] == value
        assert min(choices) >= value / 2
    assert space.variables["window_sizes[1]"] == (4,)
    file = tmp_path / "axes.json"
    file.write_text(json.dumps({"resolution": [28, 32], "window_sizes": [[4], [2, 4], [2], [1]]}))
    named = elastic_space(SEED, axes=file)
    assert (named.variables["window_sizes[1]"], named.variables["resolution"]) == ((2, 4), (28, 32))
    assert named.variables["embed_dims[2]"] == (64, 96, 128)


def test_draws_begin_with_the_largest_members_and_then_spread_evenly_over_flops() -> None:
    plan = MemberPlan(elastic_space(SEED), 0.5, seed=3)
    whole = cost_of(plan.space.seed).flops
    shares = [[cost_of(arch).flops / whole for arch in plan.draw(step, 200)] for step in range(200)]
    assert min(shares[0]) > 0.9
    assert all(share == sorted(share, reverse=True) and share[-1] >= 0.5 and share[0] < 1 for share in shares)
    late = np.array([share for found in shares[100:] for share in found])
    counts = np.histogram(late, bins=4, range=(0.5, 1))[0]
    assert counts.min() > 0.7 * len(late) / 4  # uniform draws over the space would hardly reach the last quarter
    assert plan.draw(123, 200) == MemberPlan(elastic_space(SEED), 0.5, seed=3).draw(123, 200)
    assert plan.draw(123, 200) != MemberPlan(elastic_space(SEED), 0.5, seed=4).draw(123, 200)
    assert plan.flops(200) == pytest.approx(whole * (1 + np.mean([sum(share) for share in shares])))
    assert len(plan) == FeasibleSet(plan.space, Budget((("flops", Bound(plan.least_flops, whole - 1)),))).size


def test_values_and_flops_that_were_not_trained_are_refused() -> None:
    trained, note = elastic_space(SEED), ElasticNote(axes={}, least_flops=4_000_000, weights="")
    check_axes(trained, trained)
    with pytest.raises(
        ScalerError, match=r"axis embed_dims\[1\] offers 16, and the members of the elastic seed have \[32, 48, 64\]"
    ):
        check_axes(open_space(SEED), trained)
    wide = FeasibleSet(trained, Budget((("flops", Bound(0, 5_000_000)),), "flops=5M"))
    part = trained_part(wide, note)
    assert part.bounds()["flops"][0] >= 4_000_000
    assert part.budget.text == "flops=5M"
    narrow = FeasibleSet(trained, Budget((("flops", Bound(0, 3_000_000)),), "flops=3M"))
    with pytest.raises(
        ScalerError, match="budget flops=3M: members of the elastic seed have 4M FLOPs and more: raise the budget"
    ):
        trained_part(narrow, note)


def test_a_model_of_no_family_and_a_range_without_members_are_refused() -> None:
    with pytest.raises(ScalerError, match="resnet10t is of no family whose weights can be cut"):
        elastic_space("resnet10t")
    with pytest.raises(ScalerError, match="lower --least"):
        MemberPlan(elastic_space(SEED), 0.9999)
