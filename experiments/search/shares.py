"""The shares of a search's workers: by the rule of `experiments.runtime.shares`, or as its ``run.json`` has them."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.options.search import SearchOptions
from experiments.runtime.shares import Share, cores, share_out, visible_gpus
from experiments.search.request import recorded_request
from scaler.space.feasible_set import FeasibleSet


@dataclass(frozen=True, kw_only=True)
class SearchShares:
    """The shares of the workers that this machine starts.

    Attributes:
        lag: of the search, see `SearchStudy`: the workers that it began with; None in a storage that machines share, where
            nobody knows how many workers there are.
    """

    workers: list[Share]
    lag: int | None

    @property
    def threads(self) -> int:
        """The threads of each process of the search."""
        return self.workers[0].threads

    @property
    def summary(self) -> str:
        """The shares in words."""
        count, gpus = len(self.workers), len({share.device for share in self.workers} - {None})
        where = f" on {gpus} GPU{'s' * (gpus > 1)}" if gpus else ""
        return f"{count} worker{'s' * (count > 1)}{where}, {self.threads} thread{'s' * (self.threads > 1)} each"


def shares_of(options: SearchOptions, sets: Sequence[FeasibleSet], batch_size: int) -> SearchShares:
    """Return the shares of a new search, or of one that continues with the threads and the lag that it began with.

    Raises:
        DamagedFileError: if ``run.json`` is not as it was written.
    """
    import torch  # seconds to load

    before = recorded_request(options.out)
    workers = share_out(
        options.workers,
        options.threads or before.get("threads"),
        flops=_largest(sets) * batch_size,
        cores=cores(),
        devices=visible_gpus(torch.cuda.device_count()),
        trials=options.most_trials,
    )
    lag = before["lag"] if "lag" in before else len(workers)
    return SearchShares(workers=workers, lag=None if options.storage else lag)


def _largest(sets: Sequence[FeasibleSet]) -> int:
    """Return the most FLOPs that a budget allows, but no more than the seed model's."""
    space = sets[0].space
    return int(min(space.cost(space.seed).flops, max(feasible.budget["flops"].high for feasible in sets)))
