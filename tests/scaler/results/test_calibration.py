"""The calibration of cheap scores by a few full trainings, on networks whose true scores are known."""

from collections.abc import Mapping

import numpy as np
import pytest

from scaler.arrays import Floats
from scaler.results.calibration import CheapScores, calibrate, spread_out

NETS, TAUGHT = 40, 8


def made_up(bias: float, seed: int, training_noise: float = 0.5) -> tuple[CheapScores, Floats, Floats]:
    """Cheap scores that err by ``bias`` between resolutions, the true scores, and one full training of each network."""
    rng = np.random.default_rng(seed)
    resolution, offsets, quality = rng.integers(0, 3, NETS), bias * rng.normal(size=3), rng.normal(size=NETS)
    cheap = 10 + 2 * (0.7 * quality + 0.7 * rng.normal(size=NETS) - offsets[resolution])
    true = 70 + 1.5 * (quality + offsets[resolution] / 2)
    scores = CheapScores(scores=cheap, noise=0.5, groups=resolution, axes=rng.normal(size=(NETS, 2)))
    return scores, true, true + 1.5 * training_noise * rng.normal(size=NETS)


def agreement(bias: float, seed: int) -> tuple[float, float]:
    """Correlation with the truth of the cheap and of the calibrated scores, over the networks that did not teach."""
    cheap, true, full = made_up(bias, seed)
    taught = spread_out(cheap, TAUGHT)
    others = np.setdiff1d(np.arange(NETS), taught)
    calibrated = calibrate(cheap, {net: [full[net]] for net in taught}).mean
    found = [float(np.corrcoef(scores[others], true[others])[0, 1]) for scores in (cheap.scores, calibrated)]
    return found[0], found[1]


def test_it_corrects_a_bias_between_resolutions_and_costs_nothing_without_one() -> None:
    biased, unbiased = (np.mean([agreement(bias, seed) for seed in range(30)], axis=0) for bias in (1.0, 0.0))
    assert biased[1] > biased[0] + 0.15
    assert unbiased[1] > unbiased[0] - 0.03


def test_without_full_trainings_the_order_is_that_of_the_cheap_scores() -> None:
    cheap, _, _ = made_up(1.0, 0)
    assert (np.argsort(calibrate(cheap, {}).mean) == np.argsort(cheap.scores)).all()


def test_networks_that_teach_are_spread_over_the_resolutions_and_are_distinct() -> None:
    cheap, _, _ = made_up(0.0, 1)
    taught = spread_out(cheap, 6)
    assert set(cheap.groups[taught[:3]]) == {0, 1, 2}
    assert len(set(taught)) == 6
    assert sorted(spread_out(cheap, NETS + 5)) == list(range(NETS))


@pytest.mark.parametrize("noise", [0.01, 2.0])
def test_repeats_tell_how_far_to_trust_one_training(noise: float) -> None:
    """The posterior of a network that was trained often is near its mean, the nearer the less the repeats differ."""
    cheap, true, _ = made_up(0.0, 2)
    rng = np.random.default_rng(3)
    full: Mapping[int, list[float]] = {net: list(true[net] + noise * rng.normal(size=4)) for net in range(6)}
    posterior = calibrate(cheap, full)
    deviation = np.sqrt(np.diag(posterior.covariance))
    assert deviation[:6].max() < deviation[6:].min()
    assert (abs(posterior.mean[:6] - [np.mean(scores) for scores in full.values()]).max() < 0.2) == (noise < 1)


def test_the_probability_of_being_the_best_follows_what_is_known() -> None:
    cheap, true, _ = made_up(0.0, 4)
    best, worst = int(true.argmax()), int(true.argmin())
    sure = calibrate(cheap, {best: [true[best]] * 20, worst: [true[worst]] * 20}).probability_best([worst, best])
    assert sure[1] > 0.99
    assert sure.sum() == pytest.approx(1)
    same = CheapScores(scores=np.ones(4), noise=1.0, groups=np.zeros(4, np.int64), axes=np.zeros((4, 1)))
    assert calibrate(same, {}).probability_best(range(4)) == pytest.approx([0.25] * 4, abs=0.03)
