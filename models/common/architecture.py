"""The base of all families' architectures: values by name, JSON, and checks."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from models.common.json_values import to_lists
from scaler.cost.architecture import Segment, Value, Values
from scaler.cost.operators import Number, truncate
from scaler.errors import ScalerError

_LIMIT = 10**6  # above any value in any network


@dataclass(frozen=True, kw_only=True)
class VisionTransformer:
    """Base of the families' architectures. Field names are those of the family's constructor in timm.

    ``resolution`` is the side of the input, in pixels. Heads are given by their width: among `values` they appear as
    ``head_dim``, and `num_heads` follows from it. ``share`` is how many consecutive blocks share their weights: 1 for none.
    """

    NAME: ClassVar[str]
    TIMM_NAME: ClassVar[str]  # timm's entry point for any member whose blocks are their own
    SHARED_NAME: ClassVar[str]  # ours, for any whose blocks share weights or are multiplexed (see `models.common.multiplexing`)
    MULTIPLEXED: ClassVar[bool] = False  # whether every pass has transformations of its own
    SCALARS: ClassVar[tuple[str, ...]]  # fields with one value for the whole network, among the values by name
    STAGED: ClassVar[tuple[str, ...]]  # fields with one value for each stage, likewise

    num_heads: Any
    share: Any = 1
    resolution: int = 224
    num_classes: int = 1000
    in_chans: int = 3

    def __post_init__(self) -> None:
        for name in (*self.SCALARS, "num_classes", "in_chans"):
            self.require(getattr(self, name) > 0, name, getattr(self, name), "must be above 0")
        for name in (*self.STAGED, "num_heads"):
            entries = getattr(self, name)
            if isinstance(entries, tuple):
                like = self.STAGED[0]
                self.require(
                    len(entries) == len(getattr(self, like)), name, entries, f"needs one entry for each stage, as {like} has"
                )
            for entry in entries if isinstance(entries, tuple) else (entries,):
                self.require(entry > 0, name, entries, "must be above 0")

    @property
    def family(self) -> str:
        return self.NAME

    @property
    def is_plain(self) -> bool:
        """True if timm has a class for it: no block is shared, and none has transformations."""
        shares = self.share if isinstance(self.share, tuple) else (self.share,)
        return not self.MULTIPLEXED and set(shares) == {1}

    @property
    def timm_name(self) -> str:
        """The timm entry point that builds it, given `timm_args`."""
        return self.TIMM_NAME if self.is_plain else self.SHARED_NAME

    def timm_args(self) -> dict[str, Any]:
        """Return the arguments of the entry point."""
        return self.plain_args() | ({} if self.is_plain else {"share": self.share, "transforms": self.MULTIPLEXED})

    @abstractmethod
    def plain_args(self) -> dict[str, Any]:
        """Return the arguments of timm's constructor, without those of sharing."""

    @abstractmethod
    def segments(self) -> Sequence[Segment]: ...

    @classmethod
    @abstractmethod
    def heads_of(cls, values: Mapping[str, Any]) -> Any:
        """Return ``num_heads`` for fields and ``head_dim`` (or ``head_dim[i]``) by name."""

    @abstractmethod
    def head_dims(self) -> dict[str, int]:
        """Return the channels per attention head, by name: ``head_dim``, or ``head_dim[i]`` where stages have their own."""

    def values(self) -> dict[str, Value]:
        values: dict[str, Value] = {name: getattr(self, name) for name in self.SCALARS}
        values |= {f"{name}[{i}]": value for name in self.STAGED for i, value in enumerate(getattr(self, name))}
        return values | self.head_dims()

    def with_values(self, values: Values) -> Self:
        mine: dict[str, Any] = self.values()
        for name, value in values.items():
            targets = [name] if name in mine else [key for key in mine if key.startswith(f"{name}[")]
            self.require(bool(targets), "values", name, f"the names are {', '.join(mine)}")
            mine.update(dict.fromkeys(targets, value))
        changes = {name: mine[name] for name in self.SCALARS}
        changes |= {name: tuple(mine[f"{name}[{i}]"] for i in range(len(getattr(self, name)))) for name in self.STAGED}
        return replace(self, num_heads=self.heads_of(mine | changes), **changes)

    def with_task(self, *, resolution: int | None = None, num_classes: int | None = None) -> Self:
        return replace(self, resolution=resolution or self.resolution, num_classes=num_classes or self.num_classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them, with ``head_dim`` if one value serves all stages, without ``share`` if plain."""
        data = {f.name: to_lists(getattr(self, f.name)) for f in fields(self) if f.name != "share" or not self.is_plain}
        widths = set(self.head_dims().values())
        return data | ({"head_dim": widths.pop()} if len(widths) == 1 else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read `to_dict`'s form; ``head_dim`` may stand in place of ``num_heads`` and must agree with it.

        Raises:
            ScalerError: if a value is out of range, or they do not agree.
        """
        given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        cls._require_numbers(given)
        head_dim = given.pop("head_dim", None)
        if "num_heads" not in given and head_dim is not None:
            given["num_heads"] = cls.heads_of({**given, "head_dim": head_dim})
        arch = cls(**given)
        widths = set(arch.head_dims().values())
        cls.require(head_dim in (None, *widths), "head_dim", head_dim, "num_heads say otherwise")
        return arch

    @classmethod
    def _require_numbers(cls, given: Mapping[str, Any]) -> None:
        """Raise ScalerError if a value from a file is not a number of its field's type, or is larger than any network's."""
        ratios = {field.name for field in fields(cls) if field.type in (float, tuple[float, ...])}
        for name, value in given.items():
            kinds = (int, float) if name in ratios else (int,)
            for entry in value if isinstance(value, tuple) else (value,):
                is_number = isinstance(entry, kinds) and not isinstance(entry, bool) and entry <= _LIMIT
                cls.require(is_number, name, value, f"needs {'' if name in ratios else 'whole '}numbers up to a million")

    @classmethod
    def heads_in(cls, dim: int, head_dim: int) -> int:
        """Return the number of heads of ``head_dim`` channels that make up ``dim``."""
        cls.require(dim % head_dim == 0, "head_dim", head_dim, f"width {dim} is not a multiple of it")
        return int(dim // head_dim)

    def check_shares(self, depths: Sequence[int]) -> None:
        """Raise ScalerError if blocks are shared in groups that do not make up a whole stage."""
        shares = self.share if isinstance(self.share, tuple) else (self.share,)
        for depth, passes in zip(depths, shares, strict=True):
            self.require(depth % passes == 0, "share", self.share, f"{passes} does not divide a depth of {depth}")

    @classmethod
    def check_ratio(cls, name: str, ratio: float, width: int) -> None:
        """Raise ScalerError if a ratio leaves no hidden channel; timm would build another network, or none."""
        cls.require(int(width * ratio) > 0, name, ratio, f"a width of {width} gets no hidden channel")

    @classmethod
    def require(cls, holds: bool, name: str, value: object, rule: str) -> None:
        if not holds:
            raise ScalerError(f"{cls.NAME} {name} = {value}: {rule}")


def can_be_built(width: Number, depth: Number, share: Number, head_dim: Number, mlp_ratio: Number) -> Number:
    """Return True where blocks are whole: heads make up the width, sharing groups the depth, and the MLP has hidden channels."""
    return (width % head_dim == 0) & (depth % share == 0) & (truncate(width * mlp_ratio) > 0)


def head_dim_at(values: Mapping[str, Any], stage: int) -> int:
    """Return the head dim of ``stage`` among ``values``: its own, or the one that serves all."""
    return int(values.get(f"head_dim[{stage}]", values.get("head_dim", 0)) or 1)
