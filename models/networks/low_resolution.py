"""A network on images smaller than its own, as in the first part of a training: the same weights, and the cost.

No parameter changes its shape. By timm's own means a table of positions is resampled on the way, masks follow the map, and
windows that are larger than their map are filled up.
"""

from dataclasses import dataclass
from inspect import signature
from typing import Any

from torch import nn

from models.networks.model_spec import ModelSpec
from scaler.cost.fvcore_count import count
from scaler.errors import ScalerError

_ANY_SIZE = "dynamic_img_size"  # tells timm's classes of a fixed input to take others too


@dataclass(frozen=True, kw_only=True)
class LowResolutionPhase:
    """A training phase on smaller images.

    Attributes:
        resolution: in pixels.
        flops: of one such image, by fvcore.
        arguments: of `ModelSpec.build`, for a network that takes such images.
    """

    resolution: int
    flops: int
    arguments: dict[str, Any]


def low_resolution_phase(spec: ModelSpec, fraction: float) -> LowResolutionPhase | None:
    """Return the phase at ``fraction`` of the resolution, rounded to what the first layer divides; None if that is the full one.

    Raises:
        ScalerError: if the network takes its own resolution alone.
    """
    plain = spec.build()
    arguments = _any_size(plain)
    resolution = _rounded(spec.resolution * fraction, _stride(plain))
    if resolution >= spec.resolution:
        return None
    try:
        cost = count(spec.build(**arguments), resolution, int(spec.config["pretrained_cfg"]["input_size"][0]))
    except ScalerError as error:
        raise ScalerError(
            f"{spec.name} cannot start at {resolution} px, being built for {spec.resolution} alone: "
            f"leave out --low-resolution ({str(error).splitlines()[0]})"
        ) from error
    return LowResolutionPhase(resolution=resolution, flops=cost.flops, arguments=arguments)


def _any_size(network: nn.Module) -> dict[str, Any]:
    knows = any(_ANY_SIZE in signature(base).parameters for base in type(network).__mro__)
    return {_ANY_SIZE: True} if knows else {}


def _stride(network: nn.Module) -> int:
    """Return the side of an entry of the first stage's maps, in pixels: that of a patch, if the network cuts patches."""
    info: Any = getattr(network, "feature_info", None)
    return int(info[0]["reduction"]) if info else 1


def _rounded(side: float, unit: int) -> int:
    return max(1, round(side / unit)) * unit
