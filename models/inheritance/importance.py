"""The importance that smaller architectures keep of a seed's, as a score that is a sum over segments, as cost is.

A weight keeps the share of its output channels' importance times that of its input channels', both by the rule's criterion, over
the blocks that stay. The score is the sum of the shares' logarithms: shares of successive layers multiply. A layer counts by its
part of the seed's FLOPs and parameters, so that where all channels are alike the best architecture has all layers shrunk alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.inheritance.depth import kept_blocks, stages_of
from models.inheritance.prepared_seed import PreparedSeed
from scaler.arrays import Floats
from scaler.cost.architecture import Architecture, Segment
from scaler.cost.operators import Cost, Number, Part, total
from scaler.space.search_space import SearchSpace

_ORDERS = ("first", "stride")  # criteria that order channels and measure none
_LEAST = 1e-12  # share of which a logarithm is taken


def retained_importance(space: SearchSpace, seed: PreparedSeed) -> list[Floats]:
    """Return the score table of every segment of ``space`` (`scaler.space.additive_optimum.score_shapes`).

    Args:
        space: around the seed's architecture; no choice exceeds it (`models.inheritance.choice.check_space`).
        seed: its rule decides the importance of channels and the blocks that stay.
    """
    own = [part for segment in space.segments for part in segment.parts(*space.arguments(segment, {}))]
    scorer = _Scorer(space=space, seed=seed, whole=Cost(*total(own)))
    return [scorer.table(segment) for segment in space.segments]


def score_of(space: SearchSpace, tables: Sequence[Floats], arch: Architecture) -> float:
    """Return the score of an architecture of ``space``, by the tables of `retained_importance`."""
    chosen = dict(zip(space.variables, space.point(arch), strict=True))
    cells = (tuple(chosen[name] for name in space.read_by(segment)) for segment in space.segments)
    return float(sum(table[cell] for table, cell in zip(tables, cells, strict=True)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scorer:
    """Scores the segments of ``space``; ``whole`` is the cost of its seed."""

    space: SearchSpace
    seed: PreparedSeed
    whole: Cost
    _curves: dict[int, Floats] = field(default_factory=dict)

    def table(self, segment: Segment) -> Floats:
        names = self.space.read_by(segment)
        choices = [np.asarray(self.space.variables[name]) for name in names]
        chosen = dict(zip(names, np.meshgrid(*choices, indexing="ij"), strict=True))
        parts = segment.parts(*self.space.arguments(segment, chosen))
        own = segment.parts(*self.space.arguments(segment, {}))
        positions = self._positions(chosen)
        score = np.zeros(tuple(map(len, choices)))
        for part, before in zip(parts, own, strict=True):
            if part.shape:
                flops, params = (mine / whole / 2 for mine, whole in zip(before.total, self.whole, strict=True))
                score = score + (flops + params) * _log(self._share(segment, part, before)) + flops * positions
        return score

    def _positions(self, chosen: Mapping[str, Any]) -> Floats:
        """The logarithm of the share of an image that a lower resolution keeps: by its side, as neighbours are much alike."""
        own = self.space.seed.resolution
        return _log(np.minimum(1.0, chosen.get("resolution", own) / own))

    def _share(self, segment: Segment, part: Part, before: Part) -> Floats:
        """The share of a part's importance that is kept, for all choices of its sizes."""
        outputs, inputs = (np.asarray(now / then) for now, then in zip(part.shape, before.shape, strict=True))
        if part.kind == "attention":
            return np.minimum(1.0, inputs / outputs)  # of the map that a query sees
        blocks = self._blocks(segment, part, before)
        weights = sum(weight for _, weight, _ in blocks)
        kept = sum(
            weight * stays * self._kept(f"{name}.weight", 0, outputs) * self._kept(f"{name}.weight", 1, inputs)
            for name, weight, stays in blocks
        )
        distinct = _distinct(part) / _distinct(before)  # where several passes share their weights, these are averages
        return np.asarray(kept / weights * np.minimum(1.0, distinct))

    def _blocks(self, segment: Segment, part: Part, before: Part) -> list[tuple[str, float, Any]]:
        """For every layer of the part in the seed: its name, its importance, and the choices with which it stays."""
        if segment.name not in stages_of(self.seed.arch):
            return [(f"{segment.name}.{part.name}".removeprefix("."), 1.0, 1.0)]
        depth, depths = int(before.times), np.asarray(part.times)
        staying = np.zeros((depth, depth + 1))
        for keep in range(1, depth + 1):
            staying[kept_blocks(self.seed.rule.depth, {segment.name: (depth, keep)}, self.seed.distances)[segment.name], keep] = 1
        weights = self.seed.distances.get(segment.name, [1.0] * depth)
        return [(f"{segment.name}.{block}.{part.name}", weights[block], staying[block][depths]) for block in range(depth)]

    def _kept(self, name: str, dim: int, fraction: Floats) -> Floats:
        """The share of the importance of a tensor's channels along ``dim`` that the best ``fraction`` of them has."""
        site = (self.seed.names.get(name, name), dim)
        if site not in self.seed.structure.at:
            return fraction
        curve = self._curve(self.seed.structure.at[site][0])
        return np.interp(fraction, np.linspace(0, 1, len(curve)), curve)

    def _curve(self, number: int) -> Floats:
        """The share of a group's importance in its best 0, 1, 2, ... units."""
        if number not in self._curves:
            size = self.seed.structure.groups[number].size
            measured = self.seed.rule.channels not in _ORDERS
            scores = self.seed.scores(number, size).numpy() if measured else np.ones(size)
            sums = np.cumsum([0.0, *np.sort(scores)[::-1]])
            self._curves[number] = sums / sums[-1] if sums[-1] > 0 else np.linspace(0, 1, size + 1)
        return self._curves[number]


def _distinct(part: Part) -> Number:
    """The share of a part's runs that have parameters of their own."""
    return 1 if part.copies is None else np.asarray(part.copies / part.times)


def _log(share: Floats) -> Floats:
    found: Floats = np.log(np.maximum(share, _LEAST))
    return found
