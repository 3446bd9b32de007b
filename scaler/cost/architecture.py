"""The interface of a family of architectures. The core itself knows no family.

An architecture is a frozen dataclass of its family. Its cost is a sum over *segments*: runs of parts that read only a few of
the architecture's values, such as one stage's blocks or the step between two stages. That one description gives the cost of
an architecture, the table of its parts, and, through `scaler.space.feasible_set`, every architecture under a budget.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from scaler.cost.operators import Cost, Number, Part, total

Value = int | float
Values = Mapping[str, Value]  # a name such as "resolution" or "embed_dims[2]" to its value

_REMEMBERED = 1 << 12  # costs per segment: about 1 MB, and every combination of most segments


@dataclass(frozen=True)
class Segment:
    """Parts whose cost depends on ``reads`` alone.

    Attributes:
        name: the module's name in the built network, for example ``"stages.1.blocks"``.
        reads: names of the values that ``parts`` and ``rule`` take, in order; ``"head_dim[1]"`` may be served by a value
            called ``"head_dim"`` that holds for all stages.
        parts: values to parts; the values are integers (floats for ratios), or arrays of them.
        rule: values to truth; combinations that cannot be built are false. None: all can.
    """

    name: str
    reads: tuple[str, ...]
    parts: Callable[..., list[Part]]
    rule: Callable[..., Number] | None = None

    @cached_property
    def cost(self) -> Callable[..., tuple[Number, Number]]:
        """Values to (FLOPs, parameters) of all parts; the costs of the values met last are remembered."""
        # Typed, so that an integer cost is never answered with the NumPy integer of an equal key.
        return lru_cache(maxsize=_REMEMBERED, typed=True)(lambda *values: total(self.parts(*values)))


class Architecture(Protocol):
    """A frozen dataclass: scalars and tuples, hashable, one JSON round trip."""

    @property
    def family(self) -> str: ...
    @property
    def resolution(self) -> int: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def timm_name(self) -> str:
        """The timm entry point that builds it, given `timm_args`."""

    def timm_args(self) -> dict[str, Any]:
        """Arguments of timm's constructor."""

    def values(self) -> dict[str, Value]:
        """Every value by its name, those of stages as ``"depths[0]"``."""

    def segments(self) -> Sequence[Segment]:
        """The network's parts, in the order in which they run; the same objects in each call, as they remember costs."""

    def with_values(self, values: Values) -> "Architecture":
        """The same architecture with the values of some names replaced.

        Raises:
            ScalerError: the combination cannot be built.
        """

    def with_task(self, *, resolution: int | None = None, num_classes: int | None = None) -> "Architecture":
        """Return the architecture for images and classes of another task; None keeps its own."""

    def to_dict(self) -> dict[str, Any]: ...


def resolve(name: str, names: Mapping[str, Any]) -> str:
    """Return the key in ``names`` that serves ``name``: itself, or its axis if one value holds for all stages."""
    return name if name in names else name.partition("[")[0]


def read(values: Values, segment: Segment) -> list[Value]:
    """Return the arguments of ``segment``'s functions, from ``values``."""
    return [values[name] if name in values else values[resolve(name, values)] for name in segment.reads]


def parts_of(arch: Architecture) -> list[Part]:
    """Return every part of ``arch``, in the order in which they run, names prefixed with their segment's."""
    values = arch.values()
    return [
        part._replace(name=f"{segment.name}.{part.name}".removeprefix("."))
        for segment in arch.segments()
        for part in segment.parts(*read(values, segment))
    ]


def cost_of(arch: Architecture) -> Cost:
    """Return FLOPs and parameters of ``arch``, equal to fvcore's count of the built network, without building it."""
    values = arch.values()
    costs = [segment.cost(*read(values, segment)) for segment in arch.segments()]
    return Cost(*map(sum, zip(*costs, strict=True)))
