"""Augmentation: crops, colours, erasing, and mixes of two images.

Views are 8-bit pixels; each network normalizes them for itself, so that teacher and student see the same ones. All draws are in
fractions of the image, so that a view shows the same part of its image at every resolution.
"""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image, ImageOps
from timm.data import auto_augment, create_transform

from experiments.recipes import Recipe

# ImageNet's mean colour fills erased boxes and the area beyond an image's edge, whatever the model's own normalization.
_FILL = (124, 116, 104)
# Source: timm's RandomErasing: the box's fraction of the image's area, and its height over its width or the reverse.
_ERASED, _ERASED_RATIO = (0.02, 1 / 3), 0.3
_WHOLE = 256  # a mix's fractions are multiples of 1/256, so that mixing is exact in integers

Transform = Callable[[Image.Image], torch.Tensor]
Box = tuple[float, float, float, float]  # top, left, bottom, right as fractions of the side


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The augmentation of a recipe, with the fields of `Recipe`; ``hflip`` is 0 if mirroring changes an image's class."""

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
        """Return the augmentation of ``recipe``; ``hflip`` says if the data set allows mirroring."""
        return cls(
            scale=recipe.scale,
            ratio=recipe.ratio,
            hflip=recipe.hflip if hflip else 0.0,
            auto_augment=recipe.auto_augment,
            color_jitter=recipe.color_jitter,
            reprob=recipe.reprob,
            interpolation=recipe.interpolation,
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
        )

    @property
    def mixes(self) -> bool:
        """True if images are mixed."""
        return bool(self.mixup or self.cutmix)

    def transform(self, resolution: int) -> "View":
        """Return the transform of an image into a view of it, which draws from the global generators."""
        with _posterize_to_one_bit():
            crop = create_transform(
                (3, resolution, resolution),
                is_training=True,
                normalize=False,
                scale=self.scale,
                ratio=self.ratio,
                hflip=self.hflip,
                color_jitter=self.color_jitter or None,
                auto_augment=self.auto_augment or None,
                interpolation=self.interpolation,
                mean=tuple(value / 255 for value in _FILL),
            )
        return View(crop, self.reprob)

    def draw_mix(self, seed: int) -> "Mix":
        """Return the mix of two partners: Mixup or CutMix, with equal probability if the recipe has both.

        CutMix's fraction, which weighs the labels, is that of the box before its edges are rounded to pixels, so that it does
        not depend on the resolution. timm takes that of the rounded box: at 32 pixels the two differ by 0.006 in the mean, and
        by up to 0.05 in 200,000 draws. Stored logits depend on this rule.
        """
        rng = random.Random(seed)
        cut = rng.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        fraction = rng.betavariate(*[self.cutmix if cut else self.mixup] * 2)
        if not cut:
            return Mix(round(fraction * _WHOLE) / _WHOLE)
        box = _cut_box(rng.random(), rng.random(), math.sqrt(1 - fraction))
        return Mix(1 - (box[2] - box[0]) * (box[3] - box[1]), box)


@dataclass(frozen=True)
class View:
    """A transform of images into views.

    Attributes:
        crop: timm's transform: a random crop with its colours changed.
        erasing: probability that a box is erased.
    """

    crop: Transform
    erasing: float

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return a view of ``image`` as 8-bit pixels (3, R, R)."""
        pixels = self.crop(image)
        if random.random() < self.erasing:
            _erase(pixels)
        return pixels


@dataclass(frozen=True)
class Mix:
    """A mix of two images: each keeps ``fraction`` of itself, or all outside of ``box``, and gets the rest of its partner."""

    fraction: float
    box: Box | None = None

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Return the images of ``pair`` (2, 3, R, R), 8-bit, each mixed with the other."""
        if self.box is None:
            own = round(self.fraction * _WHOLE)
            mixed = pair.int() * own + pair.flip(0).int() * (_WHOLE - own)
            return ((mixed + _WHOLE // 2) // _WHOLE).to(torch.uint8)
        rows, columns = _pixels_of(self.box, pair.shape[-1])
        mixed = pair.clone()
        mixed[:, :, rows, columns] = pair.flip(0)[:, :, rows, columns]
        return mixed


@contextmanager
def _posterize_to_one_bit() -> Iterator[None]:
    """Have timm's transforms that are made meanwhile keep at least one bit when they posterize.

    timm 1.0.31 posterizes to 0 bits once in 500 images, which Pillow 13 refuses and Pillow 12 drew black. A transform holds its
    operations, so it takes the replaced one along to workers, and timm's table is as before at the end.
    """
    operations: dict[str, Any] = auto_augment.NAME_TO_OP
    replaced = {name: operation for name, operation in operations.items() if name.startswith("Posterize")}
    operations.update(dict.fromkeys(replaced, _posterize))
    try:
        yield
    finally:
        operations.update(replaced)


def _posterize(image: Image.Image, bits: int, **_: Any) -> Image.Image:
    return image if bits >= 8 else ImageOps.posterize(image, max(1, bits))


def _erase(pixels: torch.Tensor) -> None:
    """Erase a random box (Zhong et al. 2017), drawn as timm draws it, but in fractions of the side."""
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
    """Return the part within the image of the square with side ``side`` and centre (``y``, ``x``)."""
    return max(0.0, y - side / 2), max(0.0, x - side / 2), min(1.0, y + side / 2), min(1.0, x + side / 2)


def _pixels_of(box: Box, side: int) -> tuple[slice, slice]:
    """Return the rows and columns of ``box`` in an image with ``side`` pixels on a side."""
    top, left, bottom, right = (round(edge * side) for edge in box)
    return slice(top, bottom), slice(left, right)
