"""What speeds the pairing of halves up must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.zoo.seeds import SEEDS
from scaler.budget import Bound, Budget
from scaler.space import meet_in_the_middle
from scaler.space.feasible_set import FeasibleSet
from scaler.space.meet_in_the_middle import Halves, PartnerFilter, find_partners
from scaler.space.search_space import SearchSpace
from search_spaces.tiny_vit import space as tiny_vit_space
from tests.scaler.space.test_feasible_set import problems


@settings(max_examples=150, deadline=None)
@given(problems(), st.integers(2, 9))
def test_the_filter_passes_every_row_that_has_a_partner(problem: tuple[SearchSpace, Budget], intervals: int) -> None:
    space, budget = problem
    whole, flops, params = Halves.of(space), budget["flops"], budget["params"]
    passed = PartnerFilter(whole, flops, params, intervals)(np.arange(len(whole.left)))
    assert set(find_partners(whole, flops, params).row) <= set(passed)


@settings(max_examples=50, deadline=None)
@given(problems(), st.sampled_from([1, 3]))
def test_pairing_in_small_slices_finds_the_same(problem: tuple[SearchSpace, Budget], rows: int) -> None:
    space, budget = problem
    expected = find_partners(Halves.of(space), budget["flops"], budget["params"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meet_in_the_middle, "_SLICE", rows)
        found = find_partners(Halves.of(space), budget["flops"], budget["params"])
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_filter_drops_most_rows_of_a_space_of_tiny_vits_and_changes_no_count() -> None:
    space = tiny_vit_space("tiny_vit_21m_224", SEEDS["tiny_vit_21m_224"])
    flops, params = Bound(1_257_000_000, 1_283_000_000), Bound(0, 5_400_000)
    whole = Halves.of(space)
    partners = find_partners(whole, flops, params)
    passed = PartnerFilter(whole, flops, params, 64)(np.arange(len(whole.left)))
    assert len(partners.row) <= len(passed) < len(whole.left)
    size = FeasibleSet(space, Budget((("flops", flops), ("params", params)))).size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meet_in_the_middle, "_SLICE", 1 << 12)  # rows are now many enough for a filter
        assert FeasibleSet(space, Budget((("flops", flops), ("params", params)))).size == size > 0
