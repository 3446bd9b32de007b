from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.data.pixels import bit_depth, to_rgb

RAMP = np.arange(256).reshape(16, 16)
WHITE_LAST = RAMP.astype(np.float32) / 255


def stored(image: Image.Image, form: str) -> Image.Image:
    file = BytesIO()
    image.save(file, form)
    return Image.open(file)


def levels(image: Image.Image) -> Any:
    """The grey levels of an image of which all channels are alike."""
    found = np.asarray(to_rgb(image))
    assert found.dtype == np.uint8
    assert (found == found[..., :1]).all()
    return found[..., 0]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_a_ramp_of_16_bits_keeps_its_range(form: str) -> None:
    image = stored(Image.fromarray((RAMP * 257).astype(np.uint16)), form)
    assert bit_depth(image) == 16
    assert np.array_equal(levels(image), RAMP)


def test_16_bits_are_rounded_to_the_nearest_level_whatever_else_the_image_holds() -> None:
    dark = np.array([[0, 128, 129, 200, 255]], np.uint16)
    assert levels(Image.fromarray(dark)).tolist() == [[0, 0, 1, 1, 1]]
    assert levels(stored(Image.fromarray(dark), "PPM")).tolist() == [[0, 0, 1, 1, 1]]  # which Pillow opens with 32 bits


def test_big_endian_images_are_read_as_such() -> None:
    big = Image.frombytes("I;16B", (16, 16), (RAMP * 257).astype(">u2").tobytes())
    assert np.array_equal(levels(stored(big, "TIFF")), RAMP)


@pytest.mark.parametrize(
    "values",
    [
        RAMP.astype(np.int32),
        (RAMP * 257).astype(np.int32),
        (RAMP * 1_000_000).astype(np.int32),
        (RAMP * 10 - 3000).astype(np.int32),
        WHITE_LAST,
        RAMP.astype(np.float32),
        (RAMP * 257).astype(np.float32),
        WHITE_LAST * 2e6,
        WHITE_LAST * 2 - 1,
    ],
    ids=["255", "65535", "int32", "negative", "float 1", "float 255", "float 65535", "float large", "float negative"],
)
def test_a_ramp_of_32_bits_keeps_its_range(values: Any) -> None:
    image = stored(Image.fromarray(values), "TIFF")
    assert bit_depth(image) == 32
    assert np.array_equal(levels(image), RAMP)


def test_a_dark_image_stays_dark_within_its_scale() -> None:
    assert levels(Image.fromarray(np.array([[0, 0.1, 0.2]], np.float32))).tolist() == [[0, 26, 51]]
    assert levels(Image.fromarray(np.array([[0, 257, 2570]], np.int32))).tolist() == [[0, 1, 10]]


def test_values_that_are_not_finite_and_flat_images_have_a_level() -> None:
    odd = np.array([[np.nan, np.inf, -np.inf, 0.0, 1.0]], np.float32)
    assert levels(Image.fromarray(odd)).tolist() == [[0, 255, 0, 0, 255]]
    assert levels(Image.fromarray(np.full((1, 2), np.nan, np.float32))).tolist() == [[0, 0]]
    assert levels(Image.fromarray(np.full((1, 2), -5.0, np.float32))).tolist() == [[0, 0]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "PA"])
def test_images_of_8_bits_are_converted_as_by_pillow(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    colours = Image.fromarray(noise[..., :3])
    colours.putalpha(Image.fromarray(noise[..., 3]))
    image = colours.convert("LA").convert("PA") if mode == "PA" else colours.convert(mode)
    assert bit_depth(image) == 8
    assert np.array_equal(np.asarray(to_rgb(image)), np.asarray(image.convert("RGB")))
