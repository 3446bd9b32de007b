"""A model's score: its metrics, and the training that they are of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Metrics of a model on a set of images.

    Attributes:
        top1, top5: accuracies in percent.
        loss: mean cross-entropy.
        images: number of images.
    """

    top1: float
    top5: float
    loss: float
    images: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """Metrics of a trained model, with the training behind them.

    Attributes:
        split: of the data set that the metrics are of: "test" or "holdout".
        epochs: of training, not always a whole number.
        seconds: wall time of the training and of all its evaluations.
        train_flops: of the forward passes of all training images, each at the resolution at which it was seen; backward passes
            take about twice as many again.
        start: of the weights: "random", "weights" for trained ones of the model, which old ledgers call "given weights", or
            "inherited" for those cut out of a trained seed.
        pruned: the training was stopped before its recipe's end.
    """

    metrics: Metrics
    split: str
    epochs: float
    seconds: float
    train_flops: int = 0
    start: str = "random"
    pruned: bool = False

    def row(self) -> dict[str, Any]:
        """Return all values by name, without nesting."""
        values = asdict(self)
        return {**values.pop("metrics"), **values}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Score":
        """Return the score whose `row` is ``row``. Columns with a default may be missing.

        Raises:
            TypeError: if another column is missing, or one is unknown.
        """
        names = [field.name for field in fields(Metrics)]
        metrics = Metrics(**{name: row[name] for name in names if name in row})
        return cls(metrics=metrics, **{name: value for name, value in row.items() if name not in names})
