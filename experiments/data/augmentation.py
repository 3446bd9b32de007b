"""Augmentation: what is drawn for an image and for a pair of images.

Views are 8-bit pixels, normalised by whoever looks at them, so that teacher and student see the same ones. Everything is drawn in
relative terms, so that the same view comes out at any resolution.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image
from timm.data import create_transform

from experiments.recipes import Recipe

# ImageNet's mean colour, whatever the model's own normalisation: what is erased, or lies beyond an image's edge.
_FILL = (124, 116, 104)
# Source: timm's RandomErasing: the box's share of the image, and its height over its width or the reverse.
_ERASED, _ERASED_RATIO = (0.02, 1 / 3), 0.3
_WHOLE = 256  # a mix's shares are of 256 parts, so that mixing is exact in integers

Transform = Callable[[Image.Image], torch.Tensor]
Box = tuple[float, float, float, float]  # top, left, bottom, right as shares of the side


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """All that decides what is drawn; the fields are those of `Recipe`, ``hflip`` being 0 where a mirrored image is another."""

    scale: tuple[float, float]
    ratio: tuple[float, float]
    hflip: float
    auto_augment: str
    color_jitter: float
    reprob: float
    interpolation: str
    mixup: float
    cutmix: float

    @classmethod
    def of(cls, recipe: Recipe, hflip: bool) -> "Augmentation":
        return cls(
            scale=recipe.scale, ratio=recipe.ratio, hflip=recipe.hflip if hflip else 0.0, auto_augment=recipe.auto_augment,
            color_jitter=recipe.color_jitter, reprob=recipe.reprob, interpolation=recipe.interpolation, mixup=recipe.mixup,
            cutmix=recipe.cutmix,
        )  # fmt: skip

    @property
    def mixes(self) -> bool:
        return bool(self.mixup or self.cutmix)

    def transform(self, resolution: int) -> "View":
        """From an image to its view, drawn from the global generators."""
        crop = create_transform(
            (3, resolution, resolution), is_training=True, normalize=False, scale=self.scale, ratio=self.ratio, hflip=self.hflip,
            color_jitter=self.color_jitter or None, auto_augment=self.auto_augment or None, interpolation=self.interpolation,
            mean=tuple(value / 255 for value in _FILL),
        )  # fmt: skip
        return View(crop, self.reprob)

    def draw_mix(self, seed: int) -> "Mix":
        """How two partners are mixed: Mixup or CutMix, by the toss of a coin where both are on."""
        rng = random.Random(seed)
        cut = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        fraction = rng.betavariate(*[self.cutmix if cut else self.mixup] * 2)
        if not cut:
            return Mix(round(fraction * _WHOLE) / _WHOLE)
        box = _cut_box(rng.random(), rng.random(), math.sqrt(1 - fraction))
        return Mix(1 - (box[2] - box[0]) * (box[3] - box[1]), box)


@dataclass(frozen=True)
class View:
    """A crop with its colours changed (timm's transform ``crop``), and a box of it erased with probability ``erasing``."""

    crop: Transform
    erasing: float

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """The view of ``image`` as 8-bit pixels (3, R, R)."""
        pixels = self.crop(image)
        if random.random() < self.erasing:
            _erase(pixels)
        return pixels


@dataclass(frozen=True)
class Mix:
    """Two images' mix: each keeps ``fraction`` of itself, or all but ``box``, and has the rest of its partner."""

    fraction: float
    box: Box | None = None

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """``pair`` (2, 3, R, R), 8-bit, mixed each with the other."""
        if self.box is None:
            own = round(self.fraction * _WHOLE)
            mixed = pair.int() * own + pair.flip(0).int() * (_WHOLE - own)
            return ((mixed + _WHOLE // 2) // _WHOLE).to(torch.uint8)
        rows, columns = _pixels_of(self.box, pair.shape[-1])
        mixed = pair.clone()
        mixed[:, :, rows, columns] = pair.flip(0)[:, :, rows, columns]
        return mixed


def _erase(pixels: torch.Tensor) -> None:
    """Zhong et al. 2017, as timm draws it, but in shares of the side."""
    for _ in range(10):
        area, tilt = random.uniform(*_ERASED), math.log(_ERASED_RATIO)
        ratio = math.exp(random.uniform(tilt, -tilt))
        height, width = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if height < 1 and width < 1:
            top, left = random.uniform(0, 1 - height), random.uniform(0, 1 - width)
            rows, columns = _pixels_of((top, left, top + height, left + width), pixels.shape[-1])
            pixels[:, rows, columns] = torch.tensor(_FILL, dtype=torch.uint8).view(3, 1, 1)
            return


def _cut_box(y: float, x: float, side: float) -> Box:
    """The square of ``side`` about (``y``, ``x``), as far as it lies within the image."""
    return max(0.0, y - side / 2), max(0.0, x - side / 2), min(1.0, y + side / 2), min(1.0, x + side / 2)


def _pixels_of(box: Box, side: int) -> tuple[slice, slice]:
    top, left, bottom, right = (round(edge * side) for edge in box)
    return slice(top, bottom), slice(left, right)
