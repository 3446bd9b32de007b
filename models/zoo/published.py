"""Published models as reference points: their authors' accuracies, and fvcore's counts.

Accuracies are ImageNet-1k top-1 and top-5 of the authors' model zoos (column ``source``). Costs are exact: parameters with a
head of 1,000 classes, FLOPs by fvcore with attention left unfused, of timm's network where timm has one and of the authors' code
otherwise.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import get_type_hints


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published model.

    Attributes:
        timm_name: its architecture's name in timm, or ours for a multiplexed one (`models.zoo.timm_registry`).
        resolution: side of the input, in pixels.
        flops_g: giga FLOPs at that resolution (one multiply-add is one), to a thousand FLOPs.
        top1: in percent, on ImageNet-1k's validation images, and ``top5``.
        pretrain: its training data, in the authors' order.
    """

    family: str
    model: str
    timm_name: str
    resolution: int
    params: int
    flops_g: float
    top1: float
    top5: float
    pretrain: str
    source: str

    @property
    def flops(self) -> int:
        return round(self.flops_g * 1e9)


@cache
def published() -> tuple[Published, ...]:
    """Return every published model of the families that can be scaled, from ``published.csv``."""
    types = get_type_hints(Published)
    text = files("models.zoo").joinpath("published.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Published(**{name: types[name](value) for name, value in row.items()}) for row in rows)
