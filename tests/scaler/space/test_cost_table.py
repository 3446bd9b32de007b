"""Costs in bulk and one by one: the same integers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of, parts_of
from scaler.cost.operators import total
from scaler.space import cost_table
from scaler.space.cost_table import CostTable
from scaler.space.search_space import SearchSpace
from search_spaces.tiny_vit import space as tiny_vit_space
from tests.scaler.toy import toy_space

choices = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)


@st.composite
def toys(draw: st.DrawFn) -> SearchSpace:
    layers = draw(st.integers(1, 4))
    axes: dict[str, Any] = {axis: draw(st.lists(choices, min_size=layers, max_size=layers)) for axis in ("widths", "kinds")}
    axes |= {axis: draw(choices) for axis in ("scale", "resolution") if draw(st.booleans())}
    return toy_space(axes)


def random_points(space: SearchSpace, n: int, seed: int) -> Any:
    sizes = [len(choices) for choices in space.variables.values()]
    return np.random.default_rng(seed).integers(sizes, size=(n, len(sizes)))


@settings(max_examples=60, deadline=None)
@given(toys(), st.sampled_from([1, 8, 1 << 16]))
def test_bulk_costs_are_those_of_single_ones_however_segments_are_grouped(space: SearchSpace, cells: int) -> None:
    points = random_points(space, 20, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost_table, "_CELLS", cells)
        flops, params = CostTable(space)(points)
    expected = [cost_of(space.arch(point)) for point in points]
    assert list(zip(flops.tolist(), params.tolist(), strict=True)) == expected


def test_tiny_vits_in_bulk_over_more_than_one_slice() -> None:
    space = tiny_vit_space("tiny_vit_21m_224", SEEDS["tiny_vit_21m_224"])
    points = random_points(space, 2 * cost_table._SLICE + 1, 1).astype(np.int8)
    flops, params = CostTable(space)(points)
    checked = [*range(0, len(points), 1000), len(points) - 1]
    assert [(flops[i], params[i]) for i in checked] == [cost_of(space.arch(points[i])) for i in checked]


def test_no_points_cost_nothing() -> None:
    space = toy_space({"widths": [[1, 2]], "kinds": [[1]]})
    flops, params = CostTable(space)(np.empty((0, 2), np.int64))
    assert flops.shape == params.shape == (0,)


def test_a_remembered_cost_is_the_sum_of_the_parts_in_plain_integers() -> None:
    arch = SEEDS["tiny_vit_5m_224"]
    values = {name: np.int64(value) if isinstance(value, int) else value for name, value in arch.values().items()}
    for segment in arch.segments():  # costs of equal NumPy integers are met first and must not be given back
        segment.cost(*(values.get(name, values.get(name.partition("[")[0])) for name in segment.reads))
    cost = cost_of(arch)
    assert cost == cost_of(arch) == total(parts_of(arch))
    assert type(cost.flops) is int
    assert type(cost.params) is int
