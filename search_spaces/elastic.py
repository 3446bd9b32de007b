"""The members of an elastic seed as a search space of a few coarse values, and the members that a training draws from it.

Vision transformers do not interpolate between widths (Scala, arXiv 2412.04786, table 2), so only values that were trained may be
scored. FLOPs are drawn uniformly and then a member of the exact set of these FLOPs: draws that are uniform over the space would
hardly ever be near its ends (ShiftNAS, ICCV 2023).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from models.common.architecture import VisionTransformer
from scaler.budget import Bound, Budget, format_value
from scaler.cost.architecture import Value
from scaler.errors import ScalerError
from scaler.json_files import file_digest, read_json, read_sealed, write_sealed
from scaler.results.variant import WEIGHTS
from scaler.space.axes import Choices
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from search_spaces.spaces import architecture, open_space

NOTE = "elastic.json"
_REMEDY = "make the elastic seed again (`scaler elastic`), or delete the file to use the folder as an ordinary model"
_FIXED = ("window", "share", "head_dim")  # axes that keep the seed's value, by the beginning of their names
_DENSE = "resolution"  # an axis that keeps all of its choices, which are few
_FRACTIONS = (1 / 2, 3 / 4, 1)  # of the seed's value, for all other axes
_BANDS = 16  # of FLOPs, of equal width
_WIDENED = 0.5  # fraction of the updates after which the smallest members are drawn


@dataclass(frozen=True, kw_only=True)
class ElasticNote:
    """The members that an elastic seed was trained for, as ``elastic.json`` holds them.

    Attributes:
        axes: the values of every axis, in the form of an axes file.
        least_flops: of a member.
        weights: digest of the weights that it is of.
    """

    axes: dict[str, Any]
    least_flops: int
    weights: str


def write_note(folder: Path, space: SearchSpace, least_flops: int) -> None:
    """Note in ``folder`` that its weights are those of an elastic seed with the members of ``space``."""
    digest = file_digest(folder / WEIGHTS)
    write_sealed(folder / NOTE, ElasticNote(axes=space.axes(), least_flops=least_flops, weights=digest))


def read_note(folder: Path) -> ElasticNote | None:
    """Return the note of an elastic seed; None if ``folder`` has none, or its weights have been replaced since.

    Raises:
        DamagedFileError: if the note is not as it was written.
    """
    path, weights = folder / NOTE, folder / WEIGHTS
    if not path.is_file() or not weights.is_file():
        return None
    note = read_sealed(path, ElasticNote, _REMEDY)
    return note if note.weights == file_digest(weights) else None


def elastic_space(name: str, *, axes: Path | None = None, num_classes: int | None = None) -> SearchSpace:
    """Return the space of the members of an elastic seed made of the model called ``name``.

    An axis has the choices nearest to a half, three quarters and the whole of the seed's value, and the resolution all choices
    from a half up. Windows, sharing and the width of heads are the seed's.

    Args:
        axes: a JSON file of axes, whose values are taken as they are.
        num_classes: of the task; the model's own where None.

    Raises:
        ScalerError: if the model is of no family whose weights can be cut, or the axes are malformed.
    """
    if not isinstance(architecture(name), VisionTransformer):
        raise ScalerError(f"{name} is of no family whose weights can be cut: take a TinyViT, a DeiT or a Swin")
    space = open_space(name, axes=axes, num_classes=num_classes)
    named = read_json(axes, dict[str, Any], "it takes a JSON object of axes") if axes else {}
    return coarse_space(space, named)


def coarse_space(space: SearchSpace, named: Collection[str] = ()) -> SearchSpace:
    """Return ``space`` with a few coarse choices for each axis but those ``named``; see `elastic_space`."""
    own = space.seed.values()
    variables = {
        name: choices if name.partition("[")[0] in named else _coarse(name, choices, _own_value(name, own))
        for name, choices in space.variables.items()
    }
    return replace(space, variables=variables)


def _own_value(name: str, own: Mapping[str, Value]) -> Value:
    return own[name] if name in own else next(value for key, value in own.items() if key.startswith(f"{name}["))


def _coarse(name: str, choices: Choices, own: Value) -> Choices:
    if name.startswith(_FIXED):
        return (own,)
    upper = [choice for choice in choices if own / 2 <= choice <= own] or [own]
    if name.startswith(_DENSE):
        return tuple(upper)
    return tuple(sorted({min(upper, key=lambda choice: abs(choice - fraction * own)) for fraction in _FRACTIONS}))


def check_axes(asked: SearchSpace, trained: SearchSpace) -> None:
    """Check that the space ``asked`` for has no value that the members of an elastic seed, ``trained``, do not have.

    Raises:
        ScalerError: with the first such value.
    """
    for name, choices in asked.variables.items():
        known = trained.variables.get(name, ())
        for choice in choices:
            if choice not in known:
                raise ScalerError(
                    f"axis {name} offers {choice}, and the members of the elastic seed have {list(known)}: narrow the axis"
                )


def trained_part(feasible: FeasibleSet, note: ElasticNote) -> FeasibleSet:
    """Return the members of ``feasible`` that have at least the FLOPs that the elastic seed was trained down to.

    Raises:
        ScalerError: if the budget is below them.
    """
    bound, least = feasible.budget["flops"], note.least_flops
    if "latency" in dict(feasible.budget.bounds) or bound.low >= least:
        return feasible
    if bound.high < least:
        raise ScalerError(
            f"budget {feasible.budget}: members of the elastic seed have {format_value('flops', least)} FLOPs and more: "
            "raise the budget, or make another elastic seed with a lower --least"
        )
    return feasible.under(feasible.budget.within("flops", Bound(least, bound.high)))


class MemberPlan:
    """The members that each update of an elastic training draws.

    The FLOPs from ``least`` (a fraction of the seed's) up are cut into bands. At first only the highest is open; half-way through
    the training all are. An update draws one band of the larger half of the open ones and one of the smaller half, and a uniform
    member of each.

    Attributes:
        space: of the members.
        seed: of the draws.

    Raises:
        ScalerError: if no member has so few FLOPs.
    """

    def __init__(self, space: SearchSpace, least: float, seed: int = 0) -> None:
        self.space, self.seed, self.least = space, seed, least
        whole = space.cost(space.seed).flops
        self.least_flops = round(least * whole)
        edges = np.linspace(whole, self.least_flops, _BANDS + 1).round().astype(int)
        any_cost = FeasibleSet(space, _band(0, whole))
        bands = [any_cost.under(_band(low, high - 1)) for high, low in pairwise(edges.tolist())]
        self._bands = [band for band in bands if band.size]
        if not self._bands:
            raise ScalerError(
                f"no member of {space.name} has {format_value('flops', self.least_flops)} FLOPs and more: lower --least"
            )

    def __len__(self) -> int:
        """The number of members."""
        return sum(band.size for band in self._bands)

    def draw(self, step: int, steps: int) -> list[VisionTransformer]:
        """Return the members of the update that follows ``step`` others of ``steps``, the largest first."""
        rng = np.random.default_rng([self.seed, step])
        opened = 1 + int(step / max(1, _WIDENED * steps) * (len(self._bands) - 1))
        halves = np.array_split(np.arange(min(opened, len(self._bands))), 2)
        found = [self._member(int(rng.choice(half)), rng) for half in halves if len(half)]
        return sorted(found, key=lambda arch: -self.space.cost(arch).flops)

    def spread(self, number: int) -> list[VisionTransformer]:
        """Return ``number`` members whose FLOPs are spread over the range, the largest first; always the same ones."""
        rng = np.random.default_rng([self.seed, 1 << 32])
        places = np.linspace(0, len(self._bands) - 1, number).round().astype(int)
        return [self._member(int(place), rng) for place in places]

    def flops(self, steps: int, most: int = 1000) -> float:
        """Return the mean FLOPs of an update of a training, for one image: the seed's own and those of its members."""
        listed: Sequence[int] = np.unique(np.linspace(0, max(0, steps - 1), most).round().astype(int)).tolist()
        drawn = [sum(self.space.cost(arch).flops for arch in self.draw(step, steps)) for step in listed]
        return float(self.space.cost(self.space.seed).flops + np.mean(drawn))

    def facts(self) -> dict[str, Any]:
        """Return everything that decides the draws, as JSON values."""
        return {"axes": self.space.axes(), "least": self.least, "seed": self.seed}

    def _member(self, number: int, rng: np.random.Generator) -> VisionTransformer:
        (arch,) = self._bands[number].sample(1, rng)
        assert isinstance(arch, VisionTransformer)
        return arch


def _band(low: int, high: int) -> Budget:
    return Budget((("flops", Bound(low, high)),))
