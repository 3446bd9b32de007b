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
        latency: predicts its members' latency; None if no budget bounds it.
    """

    name: str
    seed: Architecture
    variables: Mapping[str, Choices]
    latency: LatencyModel | None = None

    @cached_property
    def segments(self) -> Sequence[Segment]:
        """The segments of its architectures."""
        return self.seed.segments()

    @property
    def size(self) -> int:
        """The number of combinations, including those that cannot be built."""
        return prod(map(len, self.variables.values()))

    def read_by(self, segment: Segment) -> tuple[str, ...]:
        """Return the variables that decide ``segment``'s cost, in order, each once; values that are no variables are left out."""
        return tuple(dict.fromkeys(key for name in segment.reads if (key := resolve(name, self.variables)) in self.variables))

    def arguments(self, segment: Segment, chosen: Mapping[str, Any]) -> list[Any]:
        """Return the arguments of ``segment.parts``: values in ``chosen`` (one each, or arrays), and the seed's for the rest."""
        own = self._seed_values
        keys = (resolve(name, self.variables) for name in segment.reads)
        return [chosen[key] if key in chosen else own[resolve(name, own)] for key, name in zip(keys, segment.reads, strict=True)]

    @cached_property
    def _seed_values(self) -> dict[str, Value]:
        return self.seed.values()

    def arch(self, point: Sequence[int]) -> Architecture:
        """Return the architecture at a row of indices."""
        return self.arch_of(self.values(point))

    def values(self, point: Sequence[int]) -> dict[str, Value]:
        """Return the choices at a row of indices, by variable."""
        return {name: choices[i] for (name, choices), i in zip(self.variables.items(), point, strict=True)}

    def arch_of(self, values: Mapping[str, Value]) -> Architecture:
        """Return the seed with ``values`` in place of its own.

        Raises:
            ScalerError: the combination cannot be built.
        """
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
        """Return the row of indices whose every choice is nearest to ``values``, by ratio."""
        wanted = {name: _value_of(name, values) for name in self.variables}
        return tuple(
            min(range(len(choices)), key=lambda i: abs(log(choices[i] / wanted[name])))
            for name, choices in self.variables.items()
        )

    def cost(self, arch: Architecture) -> Cost:
        """Return FLOPs and parameters of ``arch``."""
        return cost_of(arch)

    def quantities(self, arch: Architecture) -> dict[str, int]:
        """Return the values that budgets bound: FLOPs, parameters, resolution and, if it is predicted, latency in nanoseconds."""
        timed = {"latency": self.latency.predict(arch)} if self.latency else {}
        return {**self.cost(arch)._asdict(), "resolution": arch.resolution, **timed}

    def price(self, parts: list[Part]) -> dict[str, Number]:
        """Return the costs that add up over parts, by their names in a budget."""
        flops, params = total(parts)
        return {"flops": flops, "params": params, **({"latency": self.latency.of(parts)} if self.latency else {})}

    def axes(self) -> dict[str, Any]:
        """Return the axes in the form of an axes file: one list for all stages, or one list per stage."""
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
    """The value in ``values`` that the variable ``name``, which may stand for all stages, has."""
    return next(value for key, value in values.items() if resolve(key, {name: None}) == name)
