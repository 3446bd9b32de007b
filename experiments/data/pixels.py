"""Conversion of decoded images to RGB with 8 bits a channel.

Pillow's ``convert("RGB")`` clips the values of deeper greys to 0..255. Here an image of 16 or 32 bits is scaled instead, by a
rule that looks at this image alone:

- 16-bit integers, and PNG and PGM images that Pillow widens to 32 bits: 65,535 becomes 255.
- 32-bit integers: the smallest of the scales 255 and 65,535 that holds the image's values becomes 255.
- Floats: the same with the scales 1, 255 and 65,535.
- Values below 0, or above the largest scale: the image's own range from its least to its largest value becomes 0..255.

A float that is not finite counts as the least value, positive infinity as the largest. Other images are converted by Pillow.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIXTEEN = 65_535
_WIDENED = ("PNG", "PPM")  # formats of at most 16 bits, for which Pillow may use its mode of 32-bit integers
_SCALES = {"I": (255, _SIXTEEN), "F": (1, 255, _SIXTEEN)}


def bit_depth(image: Image.Image) -> int:
    """Return the bits of a grey level: 16 or 32 for those that `to_rgb` scales, and 8 for all other images."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in _WIDENED):
        return 16
    return 32 if image.mode in _SCALES else 8


def to_rgb(image: Image.Image) -> Image.Image:
    """Return ``image`` in RGB, scaled by this module's rule if it has more than 8 bits."""
    depth = bit_depth(image)
    if depth == 8:
        return image.convert("RGB")
    values = np.asarray(image).astype(np.float64)
    levels = values * (255 / _SIXTEEN) if depth == 16 else _scaled(values, _SCALES[image.mode])
    return Image.fromarray(np.rint(levels).astype(np.uint8)).convert("RGB")


def _scaled(values: NDArray[Any], scales: tuple[int, ...]) -> NDArray[Any]:
    """Return ``values`` in 0..255, by the first of ``scales`` that holds them or by their own range."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    least, largest = finite.min(), finite.max()
    values = np.nan_to_num(values, nan=least, posinf=largest, neginf=least)
    scale = next((scale for scale in scales if least >= 0 and largest <= scale), None)
    if scale is not None:
        return values * (255 / scale)
    return (values - least) / ((largest - least) or 1) * 255
