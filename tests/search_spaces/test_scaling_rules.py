"""Rules of thumb: each scales the axes that it names, and gives a member of the feasible set."""

from collections.abc import Mapping

import numpy as np
import pytest

from scaler.cost.architecture import Value
from search_spaces.compound_scaling import nearest_member
from search_spaces.problem import spaces
from search_spaces.scaling_rules import RULES, highest_resolution

SPACE, (LOOSE, BAND) = spaces("tiny_vit_1m_32", ["flops=60%", "flops=1.49M..1.51M"])
FREE = {
    "uniform": ("embed_dims", "depths", "resolution"),
    "width": ("embed_dims",),
    "depth": ("depths",),
    "resolution": ("resolution",),
    "fast": ("embed_dims", "depths", "resolution"),
    "sovit": ("embed_dims", "depths", "mlp_ratio"),
    "highest-resolution": tuple(SPACE.seed.values()),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_gives_a_member_that_differs_from_the_seed_along_its_axes(rule: str) -> None:
    arch = SPACE.arch(RULES[rule](SPACE, LOOSE))
    assert arch in LOOSE
    seed = SPACE.seed.values()
    changed = {name for name, value in arch.values().items() if value != seed[name]}
    assert changed
    if rule != "resolution":  # alone it steps over 60 % of the FLOPs with no value between
        assert all(name.startswith(FREE[rule]) for name in changed)
    assert SPACE.arch(RULES[rule](SPACE, BAND)) in BAND


def test_the_highest_resolution_has_the_fewest_parameters_of_those_that_spend_the_budget() -> None:
    small = LOOSE.having({"embed_dims[1]": 32, "embed_dims[2]": 48, "mlp_ratio": 2.0})
    archs = [small.space.arch(point) for point in small.points(np.arange(small.size))]
    largest = [arch for arch in archs if arch.resolution == 32]
    most = max(SPACE.cost(arch).flops for arch in largest)
    fewest = min(SPACE.cost(arch).params for arch in largest if SPACE.cost(arch).flops >= 0.95 * most)
    found = SPACE.arch(highest_resolution(SPACE, small))
    assert (SPACE.cost(found).params, found.resolution) == (fewest, 32)
    assert SPACE.cost(found).flops >= 0.95 * most


def test_the_nearest_member_is_the_nearest_of_all() -> None:
    few = BAND.having({"embed_dims[1]": 32, "mlp_ratio": 2.0})
    target = SPACE.values(SPACE.nearest(SPACE.seed.values()))

    def distance(values: Mapping[str, Value]) -> float:
        return sum(abs(np.log(values[name] / target[name])) for name in SPACE.variables)

    points = few.points(np.arange(few.size))
    found = few.space.values(few.space.point(nearest_member(few, target)))
    assert distance(found) == pytest.approx(min(distance(few.space.values(point)) for point in points))
    assert len(points) > 100
