"""95 % confidence intervals."""

import math
from collections.abc import Sequence
from statistics import mean, stdev

_UPPER = 0.975  # 2.5 % of the probability lies outside a 95 % interval on either side


def wilson(top1: float, images: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy of ``top1`` percent measured on ``images`` images, in percent.

    Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927). It
    covers the error of the images drawn, not the difference between two trainings.
    """
    from scipy.special import ndtri  # takes 0.3 s to load

    z = float(ndtri(_UPPER))
    p = top1 / 100
    scale = 100 / (1 + z**2 / images)
    centre = scale * (p + z**2 / (2 * images))
    half = scale * z * math.sqrt(p * (1 - p) / images + z**2 / (4 * images**2))
    return max(centre - half, 0.0), min(centre + half, 100.0)


def student_t(values: int) -> float:
    """Return half the width of the 95 % interval of a mean of ``values`` (2 or more) numbers, in standard errors."""
    from scipy.special import stdtrit  # takes 0.3 s to load

    return float(stdtrit(values - 1, _UPPER))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of 2 or more ``values``, by Student's t."""
    half = student_t(len(values)) * stdev(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def mean_with_interval(values: Sequence[float]) -> dict[str, float]:
    """Return the ``mean`` of ``values`` and its 95 % interval, ``low`` to ``high``; of a single value, that value thrice."""
    low, high = mean_interval(values) if len(values) > 1 else (values[0], values[0])
    return {"mean": mean(values), "low": low, "high": high}


def difference(one: float, other: float, images: int, other_images: int) -> tuple[float, float]:
    """Return the 95 % interval of ``one`` less ``other``, accuracies in percent of independent samples of images.

    Newcombe's hybrid score interval (R. G. Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 1998, method 10). On the same images it is wider than needed where both models fail on the same ones.
    """
    low, high = wilson(one, images)
    other_low, other_high = wilson(other, other_images)
    below = math.hypot(one - low, other_high - other)
    above = math.hypot(high - one, other - other_low)
    return one - other - below, one - other + above
