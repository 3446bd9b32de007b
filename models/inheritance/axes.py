"""The values of an architecture that shape a tensor of its network."""

from models.common.architecture import VisionTransformer
from scaler.cost.architecture import Value, resolve


def values_at(arch: VisionTransformer, name: str) -> dict[str, Value]:
    """The values that the segment of the tensor or module ``name`` reads."""
    around = [segment for segment in arch.segments() if name.startswith(segment.name)]
    nearest = max(len(segment.name) for segment in around)
    values = arch.values()
    reads = (resolve(read, values) for segment in around if len(segment.name) == nearest for read in segment.reads)
    return {read: values[read] for read in reads}


def head_width(arch: VisionTransformer, name: str) -> int:
    """Channels of each attention head where the tensor ``name`` is; 1 where no head is."""
    return next((int(value) for axis, value in values_at(arch, name).items() if axis in arch.head_dims()), 1)


def other_axes(seed: VisionTransformer, arch: VisionTransformer, name: str) -> str:
    """The values that are greater in ``arch``, or else other, among those that shape the tensor or module ``name``."""
    mine, theirs = values_at(arch, name), values_at(seed, name)
    axes = [axis for axis in mine if mine[axis] > theirs[axis]] or [axis for axis in mine if mine[axis] != theirs[axis]]
    return ", ".join(f"{axis} = {mine[axis]} (the seed: {theirs[axis]})" for axis in axes if axis != "resolution")
