"""One group of the table of truth: the orders of its networks by each score, and the figures of an order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.measure import Figures
from experiments.ranking.agreement import (
    Floats,
    bootstrap_weights,
    interval,
    log_rank_mean,
    precision,
    regret,
    taus,
    taus_with_others,
)
from experiments.ranking.readings import TRAINING_PASSES, Reading
from experiments.ranking.truth import Settings, Training

BASELINES = ("params", "flops", "random_42_top1")
_CHEAP = 0.05  # of a training: the most that a member of the mean of log ranks costs
_MEMBERS = 3
_OF_ONE_TRAINING: dict[str, Callable[[Training], float]] = {
    "one_training_holdout_top1": lambda row: row.holdout_top1[-1],
    "one_training_holdout_loss": lambda row: -row.holdout_loss[-1],
    "one_training_train_losses": lambda row: -sum(row.train_loss),
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of the networks of a group by a score.

    Attributes:
        values: shape (repeats, networks). The rows are equal unless the score is of the group's own trainings, one by one.
        noise: standard error of the values, as a fraction of their standard deviation over the networks.
        flops, seconds: that the score took, as a fraction of those of one training of each network.
    """

    values: Floats
    noise: float | None = None
    flops: float
    seconds: float

    @property
    def is_of_trainings(self) -> bool:
        """True if each repeat gives another order."""
        return bool((self.values != self.values[0]).any())


@dataclass(frozen=True, kw_only=True)
class Group:
    """The finished trainings of a group of networks, and their scores.

    Attributes:
        rows: by repeat and network, of the repeats that every network has. A single repeat has no ceiling.
        readings: of each score that every network has.
    """

    settings: Settings
    rows: Sequence[Sequence[Training]]
    readings: dict[str, list[Reading]]
    draws: int

    @cached_property
    def tops(self) -> Floats:
        """Test top-1, shape (repeats, networks)."""
        return self._of_rows(lambda row: row.test_top1)

    @cached_property
    def truth(self) -> Floats:
        """Mean test top-1 of each network."""
        return np.asarray(self.tops.mean(0))

    @cached_property
    def weights(self) -> Floats:
        """Bootstrap draws of the networks, the same for every score."""
        return bootstrap_weights(len(self.truth), self.draws)

    @cached_property
    def resolutions(self) -> Any:
        return np.array([row.resolution for row in self.rows[0]])

    @property
    def has_ceiling(self) -> bool:
        """True if there are several repeats."""
        return len(self.rows) > 1

    @cached_property
    def ceiling(self) -> Floats:
        """Agreement of one training with the mean of the others, of the networks and of every draw."""
        return taus_with_others(self.tops, self.tops, self.weights)

    @cached_property
    def orders(self) -> dict[str, Order]:
        """The order of every score."""
        cheap = {name: self._order(readings) for name, readings in self.readings.items()}
        trained = _OF_ONE_TRAINING if self.has_ceiling else {}
        return cheap | {name: Order(values=self._of_rows(read), flops=1.0, seconds=1.0) for name, read in trained.items()}

    def log_ranks(self, names: Sequence[str]) -> Order:
        """Return the order by the mean logarithm of the ranks by ``names``."""
        orders = [self.orders[name] for name in names]
        values = log_rank_mean([order.values[0] for order in orders])
        cost = sum(order.flops for order in orders), sum(order.seconds for order in orders)
        return Order(values=np.tile(values, (len(self.rows), 1)), flops=cost[0], seconds=cost[1])

    def best_cheap(self) -> list[str]:
        """Return the scores of highest tau that cost at most a twentieth of a training, one of each probe."""
        cheap = [name for name, order in self.orders.items() if order.flops <= _CHEAP]
        found = {name: float(taus(self.orders[name].values[0], self.truth, self.weights[:1])[0]) for name in cheap}
        best = {probe_of(name): name for name in sorted(cheap, key=found.__getitem__)}
        return sorted(best.values(), key=found.__getitem__)[-_MEMBERS:]

    def figures(self, order: Order) -> Figures:
        """Return what is said of a score."""
        trained, top = order.is_of_trainings, max(1, len(self.truth) // 10)
        tau = self._with_others(order) if trained else taus(order.values[0], self.truth, self.weights)
        return {
            "tau": interval(tau),
            "within_resolution": interval(taus(order.values[0], self.truth, self.weights, self.resolutions)),
            **(self._differences(order) if self.has_ceiling else {}),
            "precision_top_tenth": precision(order.values[0], self.truth, top),
            "regret": regret(order.values[0], self.truth),
            "cost_fraction": order.flops,
            "seconds_fraction": order.seconds,
            "noise": order.noise,
        }

    def _differences(self, order: Order) -> Figures:
        """Return by how much a score's agreement with the mean of all repeats but one is above others'."""
        with_others = self._with_others(order)
        ahead = {name: with_others - self._with_others(self.orders[name]) for name in BASELINES if name in self.orders}
        others = {"ceiling": with_others - self.ceiling, **ahead}
        return {f"minus_{name}": interval(values) for name, values in others.items()}

    def summary(self) -> Figures:
        """Return what is said of the trainings."""
        return {
            "nets": len(self.truth),
            "repeats": len(self.rows),
            "ceiling_tau": float(self.ceiling[0]) if self.has_ceiling else None,
            "ceiling": interval(self.ceiling) if self.has_ceiling else None,
            "top1": [float(found) for found in np.percentile(self.truth, (0, 50, 100))],
            "spread": float(self.truth.std(ddof=1)),
            "repeat_sd": float(np.sqrt(self.tops.var(axis=0, ddof=1).mean())) if self.has_ceiling else None,
        }

    def _with_others(self, order: Order) -> Floats:
        return taus_with_others(order.values, self.tops, self.weights)

    def _of_rows(self, read: Callable[[Training], float]) -> Floats:
        return np.array([[read(row) for row in rows] for rows in self.rows])

    def _order(self, readings: Sequence[Reading]) -> Order:
        values = np.tile([reading.value for reading in readings], (len(self.rows), 1))
        spread = float(values[0].std())
        noise = float(np.mean([reading.uncertainty for reading in readings])) / spread if spread else None
        whole = sum(TRAINING_PASSES * row.flops * row.epochs * self._images for row in self.rows[0])
        seconds = float(np.mean([[row.seconds for row in rows] for rows in self.rows], axis=0).sum())
        taken = sum(reading.seconds for reading in readings)
        flops = sum(reading.flops for reading in readings)
        return Order(values=values, noise=noise, flops=flops / whole, seconds=taken / seconds)

    @property
    def _images(self) -> float:
        """Images of an epoch: nine tenths of those that were asked for; the others are held out."""
        return 0.9 * self.settings.train_images


def probe_of(name: str) -> str:
    """Return the measurement that a score comes from."""
    start, *rest = name.split("_")
    return f"{start}_{rest[0]}" if start in ("inherited", "random") else name
