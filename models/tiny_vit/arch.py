"""TinyViT as data: its architecture and the list of its parts.

Source: Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers", ECCV 2022, as built by timm's
``TinyVit`` (timm 1.0.31, ``timm/models/tiny_vit.py``): a convolution stem, one stage of MBConv blocks, then stages of window
attention, each entered through a strided merging step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from scaler.cost import (
    Number,
    Part,
    attention,
    batch_norm,
    ceil_to,
    conv,
    layer_norm,
    linear,
    pool,
    table,
    truncate,
)
from scaler.errors import ScalerError
from scaler.family import Segment, Value, Values

# Constructor arguments of timm's class that hold one value per stage.
PER_STAGE = ("embed_dims", "depths", "num_heads", "window_sizes")
_STAGED = ("embed_dims", "depths", "window_sizes")  # heads follow from the width and the head dim
_SCALARS = ("mlp_ratio", "mbconv_expand_ratio", "resolution")


@dataclass(frozen=True, kw_only=True)
class TinyViTArch:
    """One TinyViT. Field names are those of timm's constructor; ``resolution`` is the side of the input, in pixels.

    ``window_sizes[0]`` is not used by the network (the first stage is convolution), and kept for timm's signature.

    Raises:
        ScalerError: a value that timm's class could not build or run.
    """

    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_sizes: tuple[int, ...]
    mlp_ratio: float = 4.0
    mbconv_expand_ratio: float = 4.0
    resolution: int = 224
    num_classes: int = 1000
    in_chans: int = 3

    def __post_init__(self) -> None:
        stages = len(self.embed_dims)
        for name in PER_STAGE:
            value = getattr(self, name)
            _require(len(value) == stages, name, value, f"needs one entry for each of {stages} stages, as embed_dims has")
            _require(all(v >= 1 for v in value), name, value, "needs entries of at least 1")
        for dim, heads in zip(self.embed_dims, self.num_heads, strict=True):
            _require(dim % heads == 0, "embed_dims", self.embed_dims, f"{dim} is not a multiple of its {heads} heads")
        _require(self.embed_dims[0] % 2 == 0, "embed_dims", self.embed_dims, "the stem needs an even first width")
        for name in ("mlp_ratio", "mbconv_expand_ratio"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "must be above 0")
        for name in ("resolution", "num_classes", "in_chans"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")

    @property
    def family(self) -> str:
        return "tiny_vit"

    @property
    def head_dims(self) -> tuple[int, ...]:
        """Channels per attention head in the stages that have attention: all but the first (32 in every published one)."""
        return tuple(dim // heads for dim, heads in zip(self.embed_dims[1:], self.num_heads[1:], strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them; ``head_dim`` is added where one value serves all stages."""
        data: dict[str, Any] = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        if len(set(self.head_dims)) == 1:
            data["head_dim"] = self.head_dims[0]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "TinyViTArch":
        """Read `to_dict`'s form; ``head_dim`` may stand in place of ``num_heads`` and must agree with it."""
        given = dict(data)
        head_dim = given.pop("head_dim", None)
        if "num_heads" not in given and head_dim is not None:
            dims = given["embed_dims"]
            given["num_heads"] = heads(dims, [head_dim] * (len(dims) - 1))
        fields_given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
        arch = cls(**fields_given)
        _require(head_dim in (None, *arch.head_dims), "head_dim", head_dim, f"num_heads {arch.num_heads} say otherwise")
        return arch

    def values(self) -> dict[str, Value]:
        """Every value by name. Heads appear as ``head_dim[i]``, which the first stage does not have."""
        values: dict[str, Value] = {name: getattr(self, name) for name in _SCALARS}
        stages = {name: getattr(self, name) for name in _STAGED}
        values |= {f"{axis}[{i}]": value for axis, entries in stages.items() for i, value in enumerate(entries)}
        return values | {f"head_dim[{i}]": value for i, value in enumerate(self.head_dims, start=1)}

    def with_values(self, values: Values) -> "TinyViTArch":
        mine = self.values()
        for name, value in values.items():
            targets = [name] if name in mine else [key for key in mine if key.startswith(f"{name}[")]
            _require(bool(targets), "values", name, f"a TinyViT has {', '.join(mine)}")
            mine.update(dict.fromkeys(targets, value))
        stages = len(self.embed_dims)
        staged: dict[str, Any] = {axis: tuple(int(mine[f"{axis}[{i}]"]) for i in range(stages)) for axis in _STAGED}
        num_heads = heads(staged["embed_dims"], [int(mine[f"head_dim[{i}]"]) for i in range(1, stages)])
        scalars: dict[str, Any] = {name: mine[name] for name in _SCALARS}
        return replace(self, num_heads=num_heads, **staged, **scalars)

    def segments(self) -> tuple[Segment, ...]:
        return _segments(len(self.embed_dims), self.in_chans, self.num_classes)


@lru_cache
def _segments(stages: int, in_chans: int, num_classes: int) -> tuple[Segment, ...]:
    """A TinyViT's parts as segments: stem and first stage, then a merging step and blocks for each stage, then the head."""

    def stem(dim: Number, resolution: Number) -> list[Part]:
        half, quarter = _halve(resolution), _halve(_halve(resolution))
        return [
            *_conv_norm("conv1", in_chans, dim // 2, 3, half),
            *_conv_norm("conv2", dim // 2, dim, 3, quarter),
        ]

    def mbconv(dim: Number, depth: Number, ratio: Number, resolution: Number) -> list[Part]:
        side, hidden = _side(0, resolution), truncate(dim * ratio)
        return [
            *_conv_norm("conv1", dim, hidden, 1, side, depth),
            *_conv_norm("conv2", 1, hidden, 3, side, depth),
            *_conv_norm("conv3", hidden, dim, 1, side, depth),
        ]

    def head(dim: Number, resolution: Number) -> list[Part]:
        side = _side(stages - 1, resolution)
        return [
            pool("global_pool", dim * (side * side)),
            layer_norm("norm", 1, dim),
            linear("fc", 1, dim, num_classes),
        ]

    found = [
        Segment("patch_embed", ("embed_dims[0]", "resolution"), stem, lambda dim, _: dim % 2 == 0),
        Segment("stages.0.blocks", ("embed_dims[0]", "depths[0]", "mbconv_expand_ratio", "resolution"), mbconv),
    ]
    for i in range(1, stages):
        found += _stage(i)
    return (*found, Segment("head", (f"embed_dims[{stages - 1}]", "resolution"), head))


def _stage(i: int) -> list[Segment]:
    def merging(dim_in: Number, dim: Number, resolution: Number) -> list[Part]:
        side_in, side = _side(i - 1, resolution), _side(i, resolution)
        return [
            *_conv_norm("conv1", dim_in, dim, 1, side_in),
            *_conv_norm("conv2", 1, dim, 3, side),
            *_conv_norm("conv3", dim, dim, 1, side),
        ]

    def blocks(dim: Number, depth: Number, window: Number, head_dim: Number, mlp_ratio: Number, resolution: Number) -> list[Part]:
        side, hidden, keys = _side(i, resolution), truncate(dim * mlp_ratio), window * window
        tokens, padded = side * side, ceil_to(side, window) ** 2
        return [
            layer_norm("attn.norm", padded, dim, depth),
            linear("attn.qkv", padded, dim, 3 * dim, depth),
            attention("attn", padded, keys, dim, depth),
            table("attn.attention_biases", dim // head_dim * keys, depth),
            linear("attn.proj", padded, dim, dim, depth),
            *_conv_norm("local_conv", 1, dim, 3, side, depth),
            layer_norm("mlp.norm", tokens, dim, depth),
            linear("mlp.fc1", tokens, dim, hidden, depth),
            linear("mlp.fc2", tokens, hidden, dim, depth),
        ]

    dim, before = f"embed_dims[{i}]", f"embed_dims[{i - 1}]"
    reads = (dim, f"depths[{i}]", f"window_sizes[{i}]", f"head_dim[{i}]", f"mlp_ratio[{i}]", "resolution")
    return [
        Segment(f"stages.{i}.downsample", (before, dim, "resolution"), merging),
        Segment(f"stages.{i}.blocks", reads, blocks, lambda dim, _d, _w, head_dim, *_: dim % head_dim == 0),
    ]


def _conv_norm(name: str, fan_in: Number, dim: Number, kernel: int, side: Number, times: Number = 1) -> tuple[Part, Part]:
    return conv(f"{name}.conv", fan_in, dim, kernel, side, times), batch_norm(f"{name}.bn", dim, side, times)


def _halve(side: Number) -> Number:
    """A map's side after a 3x3 convolution with stride 2 and padding 1."""
    return (side + 1) // 2


def _side(stage: int, resolution: Number) -> Number:
    """The side of a stage's map: the stem halves twice, each merging step once more."""
    for _ in range(stage + 2):
        resolution = _halve(resolution)
    return resolution


def heads(dims: Sequence[int], head_dims: Sequence[int]) -> tuple[int, ...]:
    """Heads by stage. The first stage has no attention: it gets the heads of the second's head dim where that divides."""
    for dim, head_dim in zip(dims[1:], head_dims, strict=True):
        _require(dim % head_dim == 0, "head_dim", head_dim, f"width {dim} is not a multiple of it")
    first = dims[0] // head_dims[0] if dims[0] % head_dims[0] == 0 else 1
    return (first, *(dim // head_dim for dim, head_dim in zip(dims[1:], head_dims, strict=True)))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ScalerError(f"TinyViT {name} = {value}: {rule}")
