"""What a search was asked for."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a search was asked for; kept as ``run.json``. All but ``trials`` must stay as they are when it is continued.

    ``halving`` looks at a candidate first when it has seen ``first_rung`` images; None for an epoch's. ``finalists`` of each
    budget are trained again from ``seeds`` other seeds; 0 takes the best trial.
    """

    seed: str
    budgets: tuple[str, ...]
    axes: dict[str, Any]
    data: str
    train_images: int | None
    teacher: str | None
    strategy: str
    recipe: str
    trials: int
    draw_seed: int
    storage: str | None
    logits: str | None = None
    halving: str = "none"
    first_rung: int | None = None
    low_resolution: float = 1.0
    finalists: int = 0
    seeds: int = 2
