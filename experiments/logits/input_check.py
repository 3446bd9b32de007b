"""Whether the inputs that are drawn now are those that the teacher saw."""

import torch

from experiments.data.seeding import Indices, restored_generators
from experiments.data.views import BatchRequest, Views
from experiments.logits.store import Store, digests
from scaler.errors import ScalerError

_FIRST, _LATER = 64, 16  # inputs of the first batch and of later ones
_EVERY = 100  # batches


class InputCheck:
    """Compares inputs with a store's digests: many of the first batch, some of every hundredth after.

    A student of another size has its inputs drawn once more at the teacher's, from the same seeds.
    """

    def __init__(self, store: Store, views: Views) -> None:
        self.store, self.views, self.batches = store, views, 0
        self.at_teachers = Views(views.images, views.augmentation, views.seed, store.manifest.resolution)

    def __call__(self, batch_request: BatchRequest, places: Indices, pixels: torch.Tensor) -> None:
        """``pixels`` (B, 3, R, R) of the inputs at ``places`` of an epoch's order.

        Raises:
            ScalerError: they are others than the teacher's.
        """
        if self.batches % _EVERY == 0:
            self._check(batch_request, places, pixels, _LATER if self.batches else _FIRST)
        self.batches += 1

    def _check(self, batch_request: BatchRequest, places: Indices, pixels: torch.Tensor, count: int) -> None:
        if self.views.resolution != self.at_teachers.resolution:
            with restored_generators():
                some = BatchRequest(batch_request.epoch, batch_request.indices[:count], min(count, batch_request.paired))
                pixels = self.at_teachers[some].pixels
        found = digests(pixels[:count].numpy())
        wrong = int((found != self.store.digests(batch_request.epoch, places[:count])).sum())
        if wrong:
            changed = self.store.manifest.changed_versions()
            cause = f"{changed}: install the old version" if changed else "the image files have changed: restore them"
            raise ScalerError(
                f"{wrong} of {len(found)} inputs are not those that the teacher in {self.store.folder} saw; {cause}, "
                "or teach again into another folder"
            )
