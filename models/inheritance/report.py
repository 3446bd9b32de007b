"""The origin of every tensor of a network that inherits its weights."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ACTIONS = ("kept", "cropped", "resized", "averaged", "new")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One tensor.

    Attributes:
        name: in the state dict of the network.
        action: one of `ACTIONS`, the last that applies: an averaged tensor may be cropped too, as its shapes tell.
        shape: in the network.
        sources: names of the seed's tensors that it is made of; none if it is new.
        seed_shape: of the sources, or None.
    """

    name: str
    action: str
    shape: tuple[int, ...]
    sources: tuple[str, ...] = ()
    seed_shape: tuple[int, ...] | None = None


def action_of(sources: Sequence[str], *, resized: bool, seed_shape: Sequence[int], shape: Sequence[int]) -> str:
    """The action that made a tensor of ``shape``."""
    applies = (True, tuple(seed_shape) != tuple(shape), resized, len(sources) > 1, not sources)
    return [action for action, holds in zip(ACTIONS, applies, strict=True) if holds][-1]


def summary(rows: Iterable[Row]) -> str:
    """Numbers of tensors by action, in one line: ``12 kept, 80 cropped, 2 new``."""
    counts = Counter(row.action for row in rows)
    return ", ".join(f"{counts[action]} {action}" for action in ACTIONS if counts[action])
