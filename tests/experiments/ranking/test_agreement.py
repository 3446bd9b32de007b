"""Agreement of orders: against scipy, and against draws of networks that are written out."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from experiments.ranking.agreement import (
    bootstrap_weights,
    interval,
    log_rank_mean,
    precision,
    regret,
    taus,
    taus_with_others,
)

_RNG = np.random.default_rng(0)
ONE, OTHER = _RNG.integers(0, 9, 30).astype(float), _RNG.normal(size=30)


def test_tau_is_scipys_of_the_networks_and_of_every_draw() -> None:
    weights = bootstrap_weights(30, draws=20)
    found = taus(ONE, OTHER, weights)
    for tau, times in zip(found, weights.astype(int), strict=True):
        assert tau == pytest.approx(kendalltau(np.repeat(ONE, times), np.repeat(OTHER, times)).statistic)
    assert weights[0].tolist() == [1] * 30
    assert weights.sum(1).tolist() == [30] * 21


def test_an_order_of_ties_alone_has_no_tau() -> None:
    assert taus(np.ones(5), np.arange(5.0), np.ones((1, 5))).tolist() == [0]


def test_within_groups_only_their_pairs_count() -> None:
    truth, groups = np.array([1.0, 2.0, 8.0, 9.0]), np.array([0, 0, 1, 1])
    score = np.array([8.0, 9.0, 1.0, 2.0])
    weights = np.ones((1, 4))
    assert taus(score, truth, weights).tolist() == [pytest.approx(-2 / 6)]
    assert taus(score, truth, weights, groups).tolist() == [1]


def test_a_repeat_is_compared_with_the_mean_of_the_others() -> None:
    repeats, weights = _RNG.normal(size=(3, 12)), np.ones((1, 12))
    expected = np.mean([kendalltau(repeats[r], np.delete(repeats, r, axis=0).mean(0)).statistic for r in range(3)])
    assert taus_with_others(repeats, repeats, weights)[0] == pytest.approx(expected)


def test_an_interval_is_of_the_draws_and_around_the_networks_own_value() -> None:
    assert interval(np.array([5.0, *np.linspace(0, 100, 1001)])) == pytest.approx((5.0, 2.5, 97.5))


def test_the_choice_of_a_score_is_judged_by_the_truth() -> None:
    truth, score = np.arange(10.0), np.array([0, 1, 2, 3, 4, 5, 6, 9, 8, 9])
    assert precision(score, truth, top=2) == 0.5
    assert regret(score, truth) == 9 - (7 + 9) / 2
    assert log_rank_mean([truth, truth[::-1]])[[0, 9]] == pytest.approx(-np.log(10) / 2)
    assert np.argmax(log_rank_mean([truth, score])) == 9
