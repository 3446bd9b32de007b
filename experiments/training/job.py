"""What to train on what."""

from dataclasses import dataclass, field

import torch

from experiments.data.image_set import ImageData
from experiments.logits.store import Store
from experiments.losses.distillation import Guide
from experiments.recipes import Recipe
from experiments.runtime.processes import pick_device, rank, world_size
from experiments.runtime.setup import Setup
from experiments.training.batches import BatchLoader
from scaler.errors import ScalerError

# Share of a training at the lower resolution, up to the last but one of halving's thirds. Half of it, as MosaicML Composer has by
# default (ProgressiveResizing's delay_fraction), left the short trainings of a search too little at their own.
_LOW = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training. ``mean`` and ``std`` are the student's; ``resolution`` is its own, in pixels, ``low_resolution`` that of the
    images that it begins with (None: its own), which its network must take.

    A teacher is at hand (``guide``) or stored (``logits``), in which case the store's seed rules order and augmentation.

    Raises:
        ScalerError: the recipe's batch cannot be split among the processes, or asks for what stored answers do not tell.
    """

    data: ImageData
    recipe: Recipe
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int
    low_resolution: int | None = None
    guide: Guide | None = None
    logits: Store | None = None
    device: torch.device = field(default_factory=pick_device)
    workers: int = 0
    setup: Setup = field(default_factory=Setup)

    def __post_init__(self) -> None:
        if self.recipe.batch_size % self._unit:
            raise ScalerError(
                f"a batch of {self.recipe.batch_size} does not split into pairs of images for {world_size()} processes in "
                f"{self.setup.accumulate} parts: take a multiple of {self._unit}"
            )
        if self._views < self._unit:
            images = f"{self._views} views of {len(self.data.train)} training images"
            raise ScalerError(f"{images} are fewer than an update's {self._unit}")
        if self.logits is not None and (self.recipe.relates or self.recipe.repeats > 1):
            raise ScalerError(
                "stored answers hold one view of an image in an epoch, and nothing of what happens inside the teacher: take a "
                "recipe without relations and repeats, or the teacher itself (--teacher)"
            )

    @property
    def batch_size(self) -> int:
        """Images of an update, over all processes and parts: the recipe's, or as many as there are; even, for mixup's pairs."""
        return min(self.recipe.batch_size, self._views) // self._unit * self._unit

    @property
    def steps_per_epoch(self) -> int:
        return self._views // self.batch_size

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def low_steps(self) -> int:
        """Updates from images of ``low_resolution``: the first third of all."""
        return round(self.steps * _LOW) if self.low_resolution else 0

    def side(self, step: int) -> int:
        """Of the images of the update that follows ``step`` others, in pixels."""
        return self.low_resolution if self.low_resolution and step < self.low_steps else self.resolution

    def loader(self, side: int | None = None) -> BatchLoader:
        """The part of each batch that is for this process; one update takes ``setup.accumulate`` of its batches.

        ``side``: of the images, in pixels; None for the student's own.
        """
        return BatchLoader(
            data=self.data, recipe=self.recipe, seed=self.seed, resolution=side or self.resolution, mean=self.mean, std=self.std,
            batch_size=self.batch_size // self.setup.accumulate, device=self.device, workers=self.workers, logits=self.logits,
            rank=rank(), world=world_size(),
        )  # fmt: skip

    @property
    def _views(self) -> int:
        """Views in an epoch: as many as images, to whole pairs where each is seen several times."""
        whole = 2 * self.recipe.repeats if self.recipe.repeats > 1 else 1
        return len(self.data.train) // whole * whole

    @property
    def _unit(self) -> int:
        return 2 * world_size() * self.setup.accumulate
