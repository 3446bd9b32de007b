"""A search space: a seed architecture and, for each axis that may shrink, its choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, prod
from typing import Any

from scaler.cost.architecture import Architecture, Segment, Value, cost_of, resolve
from scaler.cost.latency import LatencyKey, LatencyModel
from scaler.cost.operators import Cost, Number, Part, total
from scaler.errors import ScalerError
from scaler.space.axes import Choices


@dataclass(frozen=True)
class SearchSpace:
    """Every combination of the choices of ``variables`` put into ``seed``.

    A point of the space is a row of indices, one into each variable's choices, in the order of ``variables``.

    Attributes:
        name: the seed's name, for messages.
        seed: the architecture from which all others are made.
        variables: names such as ``"embed_dims[2]"`` or ``"resolution"``, each with its choices in ascending order.
        latency: what predicts its members' latency; None where no budget asks for it.
    """

    name: str
    seed: Architecture
    variables: Mapping[str, Choices]
    latency: LatencyModel | None = None

    @cached_property
    def segments(self) -> Sequence[Segment]:
        return self.seed.segments()

    @property
    def size(self) -> int:
        """How many combinations there are, those that cannot be built included."""
        return prod(map(len, self.variables.values()))

    def read_by(self, segment: Segment) -> tuple[str, ...]:
        """The variables that decide ``segment``'s cost, in order, each once; fixed values of the seed are not among them."""
        return tuple(dict.fromkeys(key for name in segment.reads if (key := resolve(name, self.variables)) in self.variables))

    def arguments(self, segment: Segment, chosen: Mapping[str, Any]) -> list[Any]:
        """What ``segment.parts`` takes: the values in ``chosen`` (one each, or arrays), the seed's own for the rest."""
        own = self._seed_values
        keys = (resolve(name, self.variables) for name in segment.reads)
        return [chosen[key] if key in chosen else own[resolve(name, own)] for key, name in zip(keys, segment.reads, strict=True)]

    @cached_property
    def _seed_values(self) -> dict[str, Value]:
        return self.seed.values()

    def arch(self, point: Sequence[int]) -> Architecture:
        """The architecture at a row of indices."""
        return self.arch_of(self.values(point))

    def values(self, point: Sequence[int]) -> dict[str, Value]:
        return {name: choices[i] for (name, choices), i in zip(self.variables.items(), point, strict=True)}

    def arch_of(self, values: Mapping[str, Value]) -> Architecture:
        return self.seed.with_values(values)

    def point(self, arch: Architecture) -> tuple[int, ...]:
        """Return the row of indices of ``arch``.

        Raises:
            ScalerError: ``arch`` is not in the space.
        """
        values = arch.values()
        row = self.point_of({name: _value_of(name, values) for name in self.variables})
        if self.arch(row) != arch:
            raise ScalerError(f"{arch} differs from {self.name} outside the axes of its space")
        return row

    def point_of(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        """Return the row of indices of ``values``, which has one for each variable.

        Raises:
            ScalerError: a value is not among its variable's choices.
        """
        for name, choices in self.variables.items():
            if values[name] not in choices:
                raise ScalerError(f"{name} = {values[name]} is not in the space of {self.name}: its choices are {list(choices)}")
        return tuple(choices.index(values[name]) for name, choices in self.variables.items())

    def nearest(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        """The row of indices whose every choice is, in proportion, nearest to ``values``."""
        wanted = {name: _value_of(name, values) for name in self.variables}
        return tuple(
            min(range(len(choices)), key=lambda i: abs(log(choices[i] / wanted[name])))
            for name, choices in self.variables.items()
        )

    def cost(self, arch: Architecture) -> Cost:
        return cost_of(arch)

    def quantities(self, arch: Architecture) -> dict[str, int]:
        """What budgets bound: FLOPs, parameters, resolution and, where it can be predicted, latency in nanoseconds."""
        timed = {"latency": self.latency.predict(arch)} if self.latency else {}
        return {**self.cost(arch)._asdict(), "resolution": arch.resolution, **timed}

    def price(self, parts: list[Part]) -> dict[str, Number]:
        """The costs that add up over parts, by their names in a budget."""
        flops, params = total(parts)
        return {"flops": flops, "params": params, **({"latency": self.latency.of(parts)} if self.latency else {})}

    def axes(self) -> dict[str, Any]:
        """The axes in the form of an axes file: one list for all stages, or one list per stage."""
        found: dict[str, Any] = {}
        for name, choices in self.variables.items():
            axis, staged, _ = name.partition("[")
            if staged:
                found.setdefault(axis, []).append(list(choices))
            else:
                found[axis] = list(choices)
        return found

    @property
    def latency_key(self) -> LatencyKey:
        """Key of the space's latency model in the cache; spaces that differ in the number of classes alone share one."""
        return self.seed.family, self.axes()


def _value_of(name: str, values: Mapping[str, Value]) -> Value:
    """The value of the variable ``name``, which may stand for all stages."""
    return next(value for key, value in values.items() if resolve(key, {name: None}) == name)
