"""The feasible set against brute force, on spaces small enough to list."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.zoo.seeds import SEEDS
from scaler.budget import Bound, Budget
from scaler.cost.architecture import Architecture, Value
from scaler.cost.latency import LatencyModel
from scaler.errors import InfeasibleError
from scaler.space import feasible_set as feasible_module
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.tiny_vit import space as tiny_vit_space
from tests.scaler.toy import toy_space

choices = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)
ends = st.tuples(st.integers(0, 900), st.integers(0, 900)).map(sorted)


@st.composite
def problems(draw: st.DrawFn) -> tuple[SearchSpace, Budget]:
    layers = draw(st.integers(1, 4))
    axes: dict[str, Any] = {axis: draw(st.lists(choices, min_size=layers, max_size=layers)) for axis in ("widths", "kinds")}
    axes |= {axis: draw(choices) for axis in ("scale", "resolution") if draw(st.booleans())}
    flops, params = draw(ends), draw(ends)
    bounds = {"flops": Bound(flops[0], flops[1] * 3), "params": Bound(params[0] // 30, params[1] // 20)}
    kept = draw(st.lists(st.sampled_from(sorted(bounds)), unique=True))
    return toy_space(axes), Budget(tuple((key, bounds[key]) for key in sorted(kept)), "toy budget")


@st.composite
def timed_problems(draw: st.DrawFn) -> tuple[SearchSpace, Budget]:
    """Latency of 3 ns for a run, 2 for a FLOP and 1 for a parameter is bounded, with FLOPs, with parameters, or alone."""
    space, budget = draw(problems())
    low, high = draw(ends)
    kept = draw(st.sampled_from([(), ("flops",), ("params",)]))
    bounds = {key: bound for key, bound in budget.bounds if key in kept} | {"latency": Bound(2 * low, 7 * high)}
    return replace(space, latency=LatencyModel({"": (3, 2, 1)}, 0.0, 0, "toy")), Budget(
        tuple(sorted(bounds.items())), "toy budget"
    )


def brute_force(space: SearchSpace, budget: Budget) -> list[Architecture]:
    """Every buildable architecture of ``space`` that ``budget`` admits, by trying all."""
    names = list(space.variables)
    found = []
    for values in product(*space.variables.values()):
        chosen = dict(zip(names, values, strict=True))
        if any(chosen[f"kinds[{i}]"] > chosen[f"widths[{i}]"] for i in range(len(names)) if f"kinds[{i}]" in chosen):
            continue
        arch = space.arch_of(chosen)
        if budget.admits(space.quantities(arch)):
            found.append(arch)
    return found


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(problems() | timed_problems())
def test_the_set_is_exactly_what_brute_force_finds(problem: tuple[SearchSpace, Budget]) -> None:
    space, budget = problem
    feasible, expected = FeasibleSet(space, budget), brute_force(space, budget)
    assert feasible.size == len(expected)
    if not expected:
        return
    listed = [space.arch(point) for point in feasible.points(np.arange(feasible.size))]
    assert sorted(map(repr, listed)) == sorted(map(repr, expected))
    assert all(arch in feasible for arch in expected)
    assert feasible.choices() == choices_in(space, expected)
    costs, bounds = [space.quantities(arch) for arch in expected], feasible.bounds()
    for cost in feasible.costs:
        assert bounds[cost] == [min(c[cost] for c in costs), max(c[cost] for c in costs)]


@settings(max_examples=100, deadline=None)
@given(problems() | timed_problems(), st.data())
def test_a_set_is_narrowed_to_some_values(problem: tuple[SearchSpace, Budget], data: st.DataObject) -> None:
    space, budget = problem
    names = data.draw(st.lists(st.sampled_from(sorted(space.variables)), unique=True))
    values = {name: data.draw(st.sampled_from(space.variables[name])) for name in names}
    expected = [arch for arch in brute_force(space, budget) if values.items() <= arch.values().items()]
    narrowed = FeasibleSet(space, budget).having(values)
    listed = [narrowed.space.arch(point) for point in narrowed.points(np.arange(narrowed.size))]
    assert sorted(map(repr, listed)) == sorted(map(repr, expected))


def test_a_value_that_is_no_choice_is_named() -> None:
    space = toy_space({"widths": [[1, 2]], "kinds": [[1]], "resolution": [8, 16]})
    small = FeasibleSet(space, Budget((("resolution", Bound(0, 8)),), "resolution=8"))
    with pytest.raises(InfeasibleError, match=r"resolution = 16 is not among the choices of toy under resolution=8: \[8\]"):
        small.having({"resolution": 16})


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_nearest_miss_is_the_least(problem: tuple[SearchSpace, Budget]) -> None:
    space, budget = problem
    feasible = FeasibleSet(space, budget)
    buildable = brute_force(space, Budget())
    if feasible.size or not buildable:
        return
    violations = [max(budget.violations(space.quantities(arch)).values()) for arch in buildable]
    nearest = feasible.nearest()
    assert nearest is not None
    found = max(budget.violations(space.quantities(nearest)).values())
    assert found == pytest.approx(min(violations), rel=1e-5, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(["flops", "params"]))
def test_the_set_is_listed_in_order_of_a_cost(problem: tuple[SearchSpace, Budget], cost: str) -> None:
    space, budget = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feasible_module, "_FEW", 5)  # so that small sets are listed band by band too
        listed = list(FeasibleSet(space, budget).in_order(cost))
    costs = [getattr(space.cost(arch), cost) for arch in listed]
    assert costs == sorted(costs)
    assert sorted(map(repr, listed)) == sorted(map(repr, brute_force(space, budget)))


def choices_in(space: SearchSpace, archs: list[Architecture]) -> dict[str, list[Value]]:
    points = np.array([space.point(arch) for arch in archs])
    return {name: [values[i] for i in np.unique(points[:, k])] for k, (name, values) in enumerate(space.variables.items())}


def test_repeated_layers_are_counted_without_listing_them() -> None:
    """Thirty equal layers hold 3^30 = 2e14 points; FLOPs and parameters bind only the sum of the kinds."""
    layers = 30
    space = toy_space({"widths": [[3]] * layers, "kinds": [[1, 2, 3]] * layers})
    assert FeasibleSet(space, Budget()).size == 3**layers
    # Parameters are 3 per layer plus the kinds: exactly one way to have all ones, 30 to have one two.
    least = 4 * layers
    assert FeasibleSet(space, Budget((("params", Bound(0, least)),))).size == 1
    assert FeasibleSet(space, Budget((("params", Bound(least + 1, least + 1)),))).size == layers
    drawn = FeasibleSet(space, Budget((("params", Bound(least, least + 2)),))).sample(200, np.random.default_rng(0))
    assert all(least <= space.cost(arch).params <= least + 2 for arch in drawn)


def test_draws_are_uniform() -> None:
    """Chi-square over every cell of a small feasible set; the draws are seeded, so this does not fail by chance."""
    space = toy_space({"widths": [[1, 2, 4]] * 3, "kinds": [[1, 2]] * 3, "scale": [1, 2]})
    feasible = FeasibleSet(space, Budget((("flops", Bound(40, 300)), ("params", Bound(0, 14)))))
    cells, draws = feasible.size, 200 * feasible.size
    points = feasible.sample_points(draws, np.random.default_rng(7))
    _, counts = np.unique(points, axis=0, return_counts=True)
    assert len(counts) == cells > 50
    statistic = float(((counts - 200) ** 2 / 200).sum())
    # Mean cells - 1, variance twice that: within four standard deviations.
    assert abs(statistic - (cells - 1)) < 4 * (2 * (cells - 1)) ** 0.5


def test_a_space_of_tiny_vits_is_counted_and_drawn_from() -> None:
    space = tiny_vit_space("tiny_vit_21m_224", SEEDS["tiny_vit_21m_224"])
    budget = Budget((("flops", Bound(1_257_000_000, 1_270_500_000)), ("params", Bound(0, 5_400_000))), "5M's cost")
    feasible = FeasibleSet(space, budget)
    published = SEEDS["tiny_vit_5m_224"]
    assert published in feasible
    drawn = feasible.sample(300, np.random.default_rng(0))
    assert all(arch in feasible for arch in drawn)
    assert len(set(drawn)) > 290
    twin = FeasibleSet(space, Budget()).under(budget)
    assert twin.size == feasible.size


def test_an_empty_set_names_the_nearest_and_the_miss() -> None:
    space = tiny_vit_space("tiny_vit_5m_224", SEEDS["tiny_vit_5m_224"])
    with pytest.raises(InfeasibleError) as error:
        FeasibleSet(space, Budget((("flops", Bound(0, 1000)),), "flops=1k")).require()
    message = str(error.value)
    assert "no architecture of tiny_vit_5m_224 meets flops=1k" in message
    assert "the nearest has flops 3" in message
    assert "times its bound; at most 1k asked" in message
    assert "embed_dims [32, 32, 64, 96]" in message


def test_a_resolution_that_the_space_does_not_offer_is_named() -> None:
    space = tiny_vit_space("tiny_vit_5m_224", SEEDS["tiny_vit_5m_224"])
    with pytest.raises(InfeasibleError, match=r"the nearest of its resolutions \[160, 192, 224\] is 160 \(\d"):
        FeasibleSet(space, Budget((("resolution", Bound(0, 100)),), "resolution=100"))
