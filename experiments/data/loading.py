"""Loading of batches, in this process or by worker processes."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch

from scaler.errors import ScalerError

Batch = TypeVar("Batch")


class _ErrorsAsValues(torch.utils.data.Dataset[Any]):
    """A data set that returns its `ScalerError` instead of raising it, since PyTorch's workers wrap errors in tracebacks."""

    def __init__(self, dataset: torch.utils.data.Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitem__(self, request: Any) -> Any:
        try:
            return self.dataset[request]
        except ScalerError as error:
            return ScalerError(str(error))  # subclasses may not survive the way from a worker


def load_batches(
    dataset: torch.utils.data.Dataset[Batch], requests: Iterable[Any], workers: int = 0, *, pin_memory: bool = False
) -> Iterator[Batch]:
    """Yield ``dataset[request]``, a batch, for each request in order.

    Args:
        workers: processes that make the batches; 0 for this process.

    Raises:
        ScalerError: if ``dataset`` raises it, here or in a worker.
    """
    batches: Iterable[Any] = torch.utils.data.DataLoader(
        _ErrorsAsValues(dataset), batch_size=None, sampler=requests, num_workers=workers, pin_memory=pin_memory
    )
    for batch in batches:
        if isinstance(batch, ScalerError):
            raise batch
        yield batch
