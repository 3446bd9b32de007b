"""The architecture that keeps most importance: its score, the exact optimum, and the spaces that are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.inheritance.choice import check_space, choose
from models.inheritance.importance import retained_importance, score_of
from models.inheritance.prepared_seed import PreparedSeed, prepare
from models.inheritance.rule import Rule
from models.zoo.families import build
from scaler.budget import Budget
from scaler.errors import ScalerError
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.problem import read_budget
from search_spaces.spaces import SPACES
from tests.models.inheritance import cases
from tests.models.inheritance.cases import images

# With heads of one width, as the families' spaces have them.
SMALL: dict[str, Any] = {
    name: replace(arch, num_heads=(2, 4, 8)) if name.endswith("swin") else arch for name, arch in cases.SMALL.items()
}


def space_of(name: str, **changes: Any) -> SearchSpace:
    return SPACES[name](name, SMALL[name], changes or None)


def prepared(name: str, **rule: Any) -> PreparedSeed:
    return prepare(build(SMALL[name]), SMALL[name], Rule(**rule), [images()])


@pytest.mark.parametrize("name", SMALL)
def test_the_shapes_of_parts_are_those_of_the_networks_weights(name: str) -> None:
    arch = SMALL[name]
    network = build(arch).state_dict()
    space, checked = space_of(name), 0
    for segment in space.segments:
        block = "0." if segment.name.endswith("blocks") else ""
        for part in segment.parts(*space.arguments(segment, {})):
            if part.shape and part.kind != "attention":
                weight = network[f"{segment.name}.{block}{part.name}.weight".removeprefix(".")]
                assert tuple(weight.shape[:2]) == tuple(part.shape), part
                checked += 1
    assert checked >= 6


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_keeps_everything_and_all_others_less(name: str) -> None:
    space, seed = space_of(name), prepared(name)
    tables = retained_importance(space, seed)
    assert score_of(space, tables, space.seed) == 0
    others = FeasibleSet(space, Budget()).sample(20, 0)
    assert all(score_of(space, tables, arch) < 0 for arch in others if arch != space.seed)


@pytest.mark.parametrize(("name", "rule"), [("tiny_vit", {}), ("deit", {"channels": "activation", "depth": "similarity"})])
def test_the_choice_is_the_best_of_all_that_meet_the_budget(name: str, rule: dict[str, Any]) -> None:
    narrow: dict[str, Any] = {"resolution": [24, 32]}
    if name == "tiny_vit":
        narrow |= {"embed_dims": [[8, 16], [16, 32], [24, 48]], "window_sizes": [[4], [4], [3]], "mbconv_expand_ratio": [4.0]}
    space = space_of(name, **narrow)
    feasible, seed = FeasibleSet(space, read_budget("flops=50%", replace(space, name="tiny_vit_1m_32"))), prepared(name, **rule)
    found, score = choose(feasible, seed)
    tables = retained_importance(space, seed)
    members = list(feasible.in_order())
    assert len(members) > 20
    assert found in feasible
    assert score == pytest.approx(max(score_of(space, tables, arch) for arch in members))
    assert score_of(space, tables, found) == pytest.approx(score)


def test_channels_that_do_nothing_cost_nothing() -> None:
    arch = SMALL["deit"]
    network = build(arch)
    with torch.no_grad():
        for block in network.blocks:
            half = block.mlp.fc1.out_features // 2
            block.mlp.fc1.weight[half:] = 0
            block.mlp.fc2.weight[:, half:] = 0
    space = space_of("deit", mlp_ratio=[2.0, 4.0])
    scores = []
    for net in (network, build(arch)):
        tables = retained_importance(space, prepare(net, arch, Rule()))
        scores.append(score_of(space, tables, replace(arch, mlp_ratio=2.0)))
    assert scores[0] == pytest.approx(0)
    assert scores[1] < -0.1


def test_a_stage_keeps_the_importance_of_the_blocks_that_stay() -> None:
    space, seed = space_of("deit"), prepared("deit", channels="activation", depth="similarity")
    seed.__dict__["distances"] = {"blocks": [5.0, 0.0, 0.0, 5.0, 0.0, 0.0]}
    tables = retained_importance(space, seed)
    kept = [score_of(space, tables, replace(SMALL["deit"], depth=depth)) for depth in (1, 2, 5)]
    assert kept[0] < -0.1
    assert kept[1:] == pytest.approx([0, 0])


def test_criteria_that_only_order_take_channels_as_alike() -> None:
    space = space_of("swin")
    arch = replace(SMALL["swin"], mlp_ratio=(2.0, 3.0, 2.0))
    tables = {rule: retained_importance(space, prepared("swin", channels=rule)) for rule in ("first", "stride")}
    scores = {rule: score_of(space, table, arch) for rule, table in tables.items()}
    assert scores["first"] == scores["stride"] < 0


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"depth": [4, 8]}, r"axis depth offers 8 and the seed has depth = 6: weights are only cut"),
        ({"embed_dim": [48, 96]}, "axis embed_dim offers 96 and the seed has embed_dim = 48"),
        ({"head_dim": [4, 8], "embed_dim": [48]}, "axis head_dim offers 4 and the seed has head_dim = 8"),
    ],
)
def test_a_space_beyond_the_seed_is_refused(axes: dict[str, Any], message: str) -> None:
    space = space_of("deit", **axes)
    with pytest.raises(ScalerError, match=message):
        choose(FeasibleSet(space, Budget()), prepared("deit"))


def test_windows_and_resolutions_may_exceed_the_seeds() -> None:
    check_space(space_of("tiny_vit", window_sizes=[[4], [8], [3]], resolution=[32, 48]), SMALL["tiny_vit"])


def test_tables_have_a_cell_for_every_choice() -> None:
    space = space_of("tiny_vit")
    for table, segment in zip(retained_importance(space, prepared("tiny_vit")), space.segments, strict=True):
        assert table.shape == tuple(len(space.variables[name]) for name in space.read_by(segment))
        assert np.isfinite(table).all()
