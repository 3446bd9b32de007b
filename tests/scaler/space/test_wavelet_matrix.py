import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scaler.space.wavelet_matrix import RangeIndex


@given(st.integers(1, 70), st.booleans(), st.randoms(use_true_random=False))
def test_counts_and_selects_as_a_plain_loop_does(n: int, weighted: bool, random: object) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    ranks = rng.permutation(n)
    weights = rng.integers(1, 5, n) if weighted else np.ones(n, np.int64)
    index = RangeIndex(ranks, weights if weighted else None)
    start, stop = np.sort(rng.integers(0, n + 1, (2, 40)), axis=0)
    rank = rng.integers(0, n + 1, 40)
    expected = [int(weights[a:b][ranks[a:b] < r].sum()) for a, b, r in zip(start, stop, rank, strict=True)]
    assert index.below(start, stop, rank).tolist() == expected
    assert index.within(start, stop).tolist() == [int(weights[a:b].sum()) for a, b in zip(start, stop, strict=True)]

    full = start < stop
    start, stop = start[full], stop[full]
    target = rng.integers(0, index.within(start, stop)) if len(start) else start
    positions, rest = index.select(start, stop, target)
    for a, b, t, position, left in zip(start, stop, target, positions, rest, strict=True):
        by_rank = a + np.argsort(ranks[a:b])
        ends = np.cumsum(weights[by_rank])
        i = int(np.searchsorted(ends, t, side="right"))
        assert position == by_rank[i]
        assert left == t - (ends[i] - weights[by_rank[i]])
