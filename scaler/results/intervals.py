"""95 % confidence intervals."""

import math

# The standard normal's 97.5 % point: 2.5 % of the probability lies outside the interval on either side.
_Z = 1.959963984540054


def wilson(top1: float, images: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy of ``top1`` percent measured on ``images`` images, in percent.

    Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927). It
    says how far the images could mislead, not how far another training run would differ.
    """
    p, z2 = top1 / 100, _Z**2
    scale = 100 / (1 + z2 / images)
    centre = scale * (p + z2 / (2 * images))
    half = scale * _Z * math.sqrt(p * (1 - p) / images + z2 / (4 * images**2))
    return max(centre - half, 0.0), min(centre + half, 100.0)


# Source: Student's t, 97.5 % points for 1 to 9 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def student_t(values: int) -> float:
    """By how many standard errors the 95 % interval of a mean of ``values`` (2 or more) reaches to either side."""
    return _T[min(values - 1, len(_T)) - 1]
