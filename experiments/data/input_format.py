"""The images that a network takes: their size, and the normalization of their pixels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image
from timm.data import create_transform

from models.networks.model_spec import ModelSpec

Transform = Callable[[Image.Image], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """The input of a network.

    Attributes:
        resolution: side of the images in pixels.
        mean, std: of the normalization, for each channel.
        crop_pct: side of the centre crop that is evaluated, as a fraction of the resized image's shorter side.
        interpolation: of the resizing before an evaluation.
        crop_mode: timm's: "center" for the centre crop, "squash" to resize both sides, "border" to pad.
    """

    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float = 1.0
    interpolation: str = "bicubic"
    crop_mode: str = "center"

    @classmethod
    def of(cls, spec: ModelSpec) -> "InputFormat":
        """Return the input format in the configuration of ``spec``."""
        shown = {name: spec.config["pretrained_cfg"].get(name) for name in ("interpolation", "crop_mode")}
        given = {name: value for name, value in shown.items() if value}
        return cls(resolution=spec.resolution, mean=spec.mean, std=spec.std, crop_pct=spec.crop_pct, **given)

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return 8-bit ``pixels`` (B, 3, R, R) as normalized floats."""
        mean, std = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return pixels.float().div_(255).sub_(mean).div_(std)

    def evaluation_transform(self) -> Transform:
        """Return timm's transform for evaluation: resize, centre crop, normalize."""
        transform: Transform = create_transform(
            (3, self.resolution, self.resolution),
            is_training=False,
            use_prefetcher=False,
            mean=self.mean,
            std=self.std,
            crop_pct=self.crop_pct,
            interpolation=self.interpolation,
            crop_mode=self.crop_mode,
        )
        return transform
