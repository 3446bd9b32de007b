"""A training's description: the data, the recipe, the input, the teacher and the machine's setup."""

from dataclasses import dataclass, field, replace

import torch

from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.logits.store import Store
from experiments.losses.teacher import Teacher
from experiments.recipes import Recipe
from experiments.runtime.processes import pick_device, rank, world_size
from experiments.runtime.setup import Setup
from experiments.training.batches import BatchLoader
from scaler.errors import ScalerError
from search_spaces.elastic import MemberPlan

# Fraction of a training at the lower resolution: the first of halving's three thirds. MosaicML Composer's default of one half
# (ProgressiveResizing's delay_fraction) left the short trainings of a search too little time at their own resolution.
_LOW = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training.

    Attributes:
        input_format: the student's.
        seed: of order and augmentation, unless ``store`` has one, and of the network's own draws.
        low_resolution: of the images of the first third of the updates, in pixels; None for the student's own throughout. The
            student must take it.
        teacher: to distil from as the training goes.
        store: stored logits of a teacher, instead of ``teacher``.
        workers: processes that load images.
        members: smaller members of an elastic network, which are trained with it; None for the network alone.

    Raises:
        ScalerError: if the recipe's batch cannot be split among the processes, or the recipe needs more than a store holds.
    """

    data: ImageData
    recipe: Recipe
    input_format: InputFormat
    seed: int
    low_resolution: int | None = None
    teacher: Teacher | None = None
    store: Store | None = None
    device: torch.device = field(default_factory=pick_device)
    workers: int = 0
    setup: Setup = field(default_factory=Setup)
    members: MemberPlan | None = None

    def __post_init__(self) -> None:
        if self.recipe.batch_size % self._unit:
            raise ScalerError(
                f"a batch of {self.recipe.batch_size} does not split into pairs of images for {world_size()} processes in "
                f"{self.setup.accumulate} parts: take a multiple of {self._unit}"
            )
        if self._views < self._unit:
            images = f"{self._views} views of {len(self.data.train)} training images"
            raise ScalerError(f"{images} are fewer than an update's {self._unit}")
        if self.store is not None and (self.recipe.relates or self.recipe.repeats > 1):
            raise ScalerError(
                "stored logits hold one view of an image per epoch and no relations between tokens: take a recipe without "
                "relations and repeats, or the teacher itself (--teacher)"
            )

    @property
    def batch_size(self) -> int:
        """Images of an update, over all processes and parts: the recipe's, or as many as there are; even, for mixup's pairs."""
        return min(self.recipe.batch_size, self._views) // self._unit * self._unit

    @property
    def steps_per_epoch(self) -> int:
        """Updates of an epoch."""
        return self._views // self.batch_size

    @property
    def steps(self) -> int:
        """Updates of the whole training."""
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def low_steps(self) -> int:
        """Updates from images of ``low_resolution``."""
        return round(self.steps * _LOW) if self.low_resolution else 0

    def resolution_at(self, step: int) -> int:
        """Return the resolution of the images of the update that follows ``step`` others."""
        return self.low_resolution if self.low_resolution and step < self.low_steps else self.input_format.resolution

    def loader(self, resolution: int | None = None) -> BatchLoader:
        """Return the loader of this process's part of each batch; an update takes ``setup.accumulate`` of its batches.

        Args:
            resolution: of the images; None for the student's own.
        """
        return BatchLoader(
            data=self.data,
            recipe=self.recipe,
            seed=self.seed,
            input_format=replace(self.input_format, resolution=resolution or self.input_format.resolution),
            batch_size=self.batch_size // self.setup.accumulate,
            device=self.device,
            workers=self.workers,
            store=self.store,
            rank=rank(),
            world_size=world_size(),
        )

    @property
    def _views(self) -> int:
        """Views in an epoch: as many as images, in whole pairs if each image is seen several times."""
        unit = 2 * self.recipe.repeats if self.recipe.repeats > 1 else 1
        return len(self.data.train) // unit * unit

    @property
    def _unit(self) -> int:
        """The smallest batch: a pair of images for each process and part."""
        return 2 * world_size() * self.setup.accumulate
