"""The check that a student's inputs are those that the teacher saw."""

import torch

from experiments.data.seeding import Indices, restored_generators
from experiments.data.views import BatchRequest, Views
from experiments.logits.store import Store, digests
from scaler.errors import ScalerError

_FIRST, _LATER = 64, 16  # inputs of the first batch and of later ones
_EVERY = 100  # batches


class InputCheck:
    """Compares inputs with a store's digests: 64 inputs of the first batch, 16 of every hundredth batch after it.

    For a student of another resolution the inputs are drawn once more at the teacher's, from the same seeds.
    """

    def __init__(self, store: Store, views: Views) -> None:
        self.store, self.views, self.batches = store, views, 0
        self.teacher_views = Views(views.images, views.augmentation, views.seed, store.manifest.resolution)

    def __call__(self, request: BatchRequest, places: Indices, pixels: torch.Tensor) -> None:
        """Compare ``pixels`` (B, 3, R, R), the inputs at ``places`` of an epoch's order, if it is their batch's turn.

        Raises:
            ScalerError: if they differ from the teacher's inputs.
        """
        if self.batches % _EVERY == 0:
            self._check(request, places, pixels, _LATER if self.batches else _FIRST)
        self.batches += 1

    def _check(self, request: BatchRequest, places: Indices, pixels: torch.Tensor, count: int) -> None:
        if self.views.resolution != self.teacher_views.resolution:
            with restored_generators():
                some = BatchRequest(request.epoch, request.indices[:count], min(count, request.paired))
                pixels = self.teacher_views[some].pixels
        found = digests(pixels[:count].numpy())
        wrong = int((found != self.store.digests(request.epoch, places[:count])).sum())
        if wrong:
            changed = self.store.manifest.changed_versions()
            cause = f"{changed}: install the old version" if changed else "the image files have changed: restore them"
            raise ScalerError(
                f"{wrong} of {len(found)} inputs are not those that the teacher in {self.store.folder} saw; {cause}, "
                "or teach again into another folder"
            )
