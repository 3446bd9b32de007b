"""The choice of the blocks of a stage that are kept."""

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from scaler.cost.architecture import Architecture, Segment

Kept = dict[str, list[int]]  # by container of blocks: for every block, the seed's


def stages_of(arch: Architecture) -> dict[str, Segment]:
    """The containers of blocks, by module name, with their segments."""
    return {segment.name: segment for segment in arch.segments() if segment.name.rpartition(".")[2] == "blocks"}


def depth_of(container: str, names: Iterable[str]) -> int:
    """Return the number of blocks of a container, from the ``names`` of a state dict."""
    found = (re.match(rf"{re.escape(container)}\.(\d+)\.", name) for name in names)
    return 1 + max(int(match[1]) for match in found if match)


def first(depth: int, keep: int) -> list[int]:
    """The first blocks. Source: Xu et al. 2024, "Initializing Models with Larger Ones"."""
    return list(range(min(keep, depth)))


def even(depth: int, keep: int) -> list[int]:
    """The ends of ``keep`` equal parts, so that the last block stays, as when layers are matched for distillation."""
    return [(place + 1) * depth // keep - 1 for place in range(keep)]


def most_different(distances: Sequence[float], keep: int) -> list[int]:
    """The blocks that change their input most. Source: Muralidharan et al. 2024 (Minitron), 1 - cos(input, output)."""
    ranked = sorted(range(len(distances)), key=lambda block: (-distances[block], block))
    return sorted(ranked[:keep])


def kept_blocks(rule: str, depths: Mapping[str, tuple[int, int]], distances: Mapping[str, Sequence[float]]) -> Kept:
    """The seed's block for every block of a network.

    Args:
        rule: one of `models.inheritance.rule.DEPTHS`.
        depths: by container, the seed's depth and the network's.
        distances: by container, 1 - cos of each of the seed's blocks; read by ``similarity`` alone.
    """
    if rule == "similarity":
        return {name: most_different(distances[name], keep) for name, (_, keep) in depths.items()}
    pick = {"first": first, "even": even}[rule]
    return {name: pick(depth, keep) for name, (depth, keep) in depths.items()}


def block_distances(network: nn.Module, containers: Iterable[str], batches: Iterable[torch.Tensor]) -> dict[str, list[float]]:
    """1 - cos between what each block takes and gives, over the whole map of an image, averaged over images."""
    blocks = {name: list(network.get_submodule(name).children()) for name in containers}
    cosines: dict[nn.Module, list[torch.Tensor]] = {block: [] for listed in blocks.values() for block in listed}

    def note(block: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        cosines[block].append(torch.cosine_similarity(args[0].flatten(1).double(), output.flatten(1).double()))

    handles = [block.register_forward_hook(note) for block in cosines]
    try:
        with torch.no_grad():
            for images in batches:
                network(images)
    finally:
        for handle in handles:
            handle.remove()
    return {name: [1 - float(torch.cat(cosines[block]).mean()) for block in listed] for name, listed in blocks.items()}
