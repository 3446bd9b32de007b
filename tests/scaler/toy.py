"""A family with no network, whose costs a person can check: layers of `width` and `kind`, all sharing `scale`."""

from dataclasses import dataclass, replace
from typing import Any

from scaler.cost.architecture import Segment, Value, Values
from scaler.cost.operators import Part
from scaler.space.axes import variables_of
from scaler.space.search_space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class ToyArch:
    widths: tuple[int, ...]
    kinds: tuple[int, ...]
    scale: int = 1
    resolution: int = 8
    num_classes: int = 2

    @property
    def family(self) -> str:
        return "toy"

    def to_dict(self) -> dict[str, Any]:
        return {"widths": list(self.widths), "kinds": list(self.kinds), "scale": self.scale, "resolution": self.resolution}

    def values(self) -> dict[str, Value]:
        stages = {"widths": self.widths, "kinds": self.kinds}
        values = {f"{name}[{i}]": v for name, entries in stages.items() for i, v in enumerate(entries)}
        return values | {"scale": self.scale, "resolution": self.resolution}

    def with_values(self, values: Values) -> "ToyArch":
        mine: dict[str, Any] = {**self.values(), **values}
        layers = range(len(self.widths))
        return replace(
            self,
            widths=tuple(mine[f"widths[{i}]"] for i in layers),
            kinds=tuple(mine[f"kinds[{i}]"] for i in layers),
            scale=mine["scale"],
            resolution=mine["resolution"],
        )

    def segments(self) -> tuple[Segment, ...]:
        return tuple(_layer(i) for i in range(len(self.widths)))


def _layer(i: int) -> Segment:
    """Costs `width_before * width * scale * resolution`, `width + kind`; kinds above the width cannot be built."""
    before = f"widths[{i - 1}]" if i else "scale"
    reads = (before, f"widths[{i}]", f"kinds[{i}]", "scale", "resolution")

    def parts(previous: Any, width: Any, kind: Any, scale: Any, side: Any) -> list[Part]:
        return [Part("mix", previous * width * scale * side, width + kind), Part("kind", kind, 0, times=2)]

    return Segment(f"layers.{i}", reads, parts, lambda _p, width, kind, *_: kind <= width)


def toy_space(axes: dict[str, Any]) -> SearchSpace:
    layers = len(axes["widths"])
    return SearchSpace("toy", ToyArch(widths=(1,) * layers, kinds=(1,) * layers), variables_of(axes))
