"""A search space: a seed architecture and, for each axis that may shrink, its choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, prod
from typing import Any

from scaler.cost.architecture import Architecture, Segment, Value, cost_of, resolve
from scaler.cost.latency import Latency
from scaler.cost.operators import Cost, Number, Part, total
from scaler.errors import ScalerError, UnknownNameError

Choices = tuple[Value, ...]

_MOST = 10**6  # above any value that an axis has in any network


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
    latency: Latency | None = None

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
        """The row of indices of ``arch``.

        Raises:
            ScalerError: ``arch`` is not in the space.
        """
        values = arch.values()
        row = []
        for name, choices in self.variables.items():
            value = _value_of(name, values)
            if value not in choices:
                raise ScalerError(f"{name} = {value} is not in the space of {self.name}: its choices are {list(choices)}")
            row.append(choices.index(value))
        if self.arch(row) != arch:
            raise ScalerError(f"{arch} differs from {self.name} outside the axes of its space")
        return tuple(row)

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


def _value_of(name: str, values: Mapping[str, Value]) -> Value:
    """The value of the variable ``name``, which may stand for all stages."""
    return next(value for key, value in values.items() if resolve(key, {name: None}) == name)


def variables_of(axes: Mapping[str, Sequence[Any]]) -> dict[str, Choices]:
    """Turn axes (as in an axes file) into variables: ``{"depths": [[1], [1, 2]]}`` into ``depths[0]`` and ``depths[1]``."""
    found: dict[str, Choices] = {}
    for axis, entries in axes.items():
        staged = any(isinstance(entry, list | tuple) for entry in entries)
        for name, choices in [(f"{axis}[{i}]", entry) for i, entry in enumerate(entries)] if staged else [(axis, entries)]:
            found[name] = tuple(sorted(set(choices)))
    return found


def narrowed(axes: Mapping[str, Any], changes: Mapping[str, Any], stages: int = 0, either: Sequence[str] = ()) -> dict[str, Any]:
    """``axes`` with those named in ``changes`` replaced, each checked for its form.

    Args:
        axes: a space's own axes.
        changes: axes as a user wrote them.
        stages: how many lists a per-stage axis needs.
        either: per-stage axes for which one list of choices, for all stages alike, will do.

    Raises:
        ScalerError: an unknown axis, or choices that are not of the axis's form.
    """
    for axis, entries in changes.items():
        if axis not in axes:
            raise UnknownNameError("axis", axis, axes)
        staged = isinstance(axes[axis][0], list) and not (axis in either and not is_nested(entries))
        check_form(axis, entries, stages if staged else 0, whole=_is_whole(axes[axis]))
    return {**axes, **changes}


def is_nested(entries: Any) -> bool:
    """Whether choices are written by stage."""
    return isinstance(entries, list) and any(isinstance(entry, list) for entry in entries)


def check_form(axis: str, entries: Any, stages: int, *, whole: bool) -> None:
    """Refuse choices that are not lists of positive numbers, one for each of ``stages`` stages, or one where that is 0.

    ``whole``: the numbers are integers.
    """
    lists = entries if stages else [entries]
    form = f"a list of choices for each of {stages} stages" if stages else "one list of choices"
    numbers = "whole numbers" if whole else "numbers"
    rule = f"axis {axis!r} = {entries!r}: it takes {form}, each a list of positive {numbers} up to a million"
    if not isinstance(lists, list) or (stages and len(lists) != stages):
        raise ScalerError(rule)
    for choices in lists:
        good = isinstance(choices, list) and choices and all(_is_choice(choice, whole) for choice in choices)
        if not good:
            raise ScalerError(rule)


def _is_choice(choice: Any, whole: bool) -> bool:
    return isinstance(choice, int if whole else int | float) and not isinstance(choice, bool) and 0 < choice <= _MOST


def _is_whole(entries: Sequence[Any]) -> bool:
    """Whether all choices are integers; ``entries`` are choices, or a list of them by stage."""
    return all(_is_whole(entry) if isinstance(entry, list) else isinstance(entry, int) for entry in entries)
