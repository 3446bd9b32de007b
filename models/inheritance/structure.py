"""The groups of channels of a network, and the dimensions of tensors that each of them indexes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import nn

from models.inheritance.channel_trace import trace_channels
from models.inheritance.labels import Site
from scaler.arrays import Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """Dimension ``dim`` of the tensor called ``name``: ``units`` has the group's unit of each entry."""

    name: str
    dim: int
    units: torch.Tensor

    @cached_property
    def positions(self) -> torch.Tensor:
        """(units, entries of each): where each unit's entries are, in order."""
        return self.units.argsort(stable=True).view(int(self.units.max()) + 1, -1)

    @cached_property
    def run(self) -> int:
        """Entries of a unit that lie side by side: a head's channels, or three times as many where its q, k and v do."""
        steps = self.positions[0].diff()
        return int((steps != 1).nonzero()[0]) + 1 if (steps != 1).any() else len(steps) + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Units that are cut together: channels of a residual stream, hidden channels of an MLP, heads of an attention.

    A unit has one entry in a norm, four in a layer that merges four neighbours, and a head's channels in its projections.
    """

    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        return len(self.members[0].positions)

    def inside(self, width: int) -> "Group":
        """The ``width`` channels inside every unit as a group: units of heads are their channels, whichever head has them."""
        found = [member for member in self.members if member.positions.shape[1] % width == 0]
        return Group(members=tuple(_inside(member, width) for member in found))


def _inside(member: Member, width: int) -> Member:
    units = torch.empty_like(member.units)
    units[member.positions] = torch.arange(member.positions.shape[1]).remainder(width).expand_as(member.positions)
    return Member(name=member.name, dim=member.dim, units=units)


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """All groups of a network.

    Attributes:
        shapes: the shape of every tensor of the state dict.
        groups: in the order in which they are written.
        in_heads: dimensions of tables that have one entry for each channel inside a head, with the number of their group.
        folded: for every convolution's weight that a batch norm follows, the norm's module name.
    """

    shapes: dict[str, torch.Size]
    groups: tuple[Group, ...]
    in_heads: dict[Site, int]
    folded: dict[str, str]

    @cached_property
    def at(self) -> dict[Site, tuple[int, Member]]:
        """The number of the group that indexes a dimension, and the member that says how."""
        return {(m.name, m.dim): (number, m) for number, group in enumerate(self.groups) for m in group.members}


def structure_of(network: nn.Module, image: tuple[int, int, int]) -> Structure:
    """The structure of ``network`` as an image (channels, rows, columns) shows it.

    Raises:
        ScalerError: the network has a layer whose channels cannot be traced.
    """
    trace = trace_channels(network, image)
    same = components(trace.count, trace.edges)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = {site: same[labels.long().numpy()] for site, labels in trace.sites.items()}
    for name, labels in trace.elements.items():
        if not any(site[0] == name for site in found):
            found |= _dimensions(name, same[labels.long().numpy()])
    order = {name: place for place, name in enumerate(shapes)}
    sites = sorted(found, key=lambda site: (order[site[0]], site[1]))
    groups, numbers = _groups(sites, [found[site] for site in sites])
    in_heads = {site: int(numbers[same[int(labels[0])]]) for site, labels in trace.in_heads.items()}
    return Structure(shapes=shapes, groups=groups, in_heads=in_heads, folded=trace.folded)


def components(nodes: int, edges: Iterable[torch.Tensor]) -> Ints:
    """For each of ``nodes``, the number of the connected component that ``edges``, (2, n) tensors, put it in."""
    pairs = torch.cat([torch.zeros(2, 0, dtype=torch.long), *edges], 1).numpy()
    graph = coo_array((np.ones(pairs.shape[1], dtype=np.int8), (pairs[0], pairs[1])), shape=(nodes, nodes))
    found: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def _dimensions(name: str, same: Ints) -> dict[Site, Ints]:
    """The dimension along which a parameter's elements are channels, if there is one; of one entry there may be several."""
    lines = [(dim, same[tuple(slice(None) if d == dim else slice(1) for d in range(same.ndim))]) for dim in range(same.ndim)]
    found = {(name, dim): line.reshape(-1) for dim, line in lines if (same == line).all()}
    shortest = min(map(len, found.values()), default=0)
    return {site: line for site, line in found.items() if len(line) == shortest}


def _groups(sites: list[Site], channels: list[Ints]) -> tuple[tuple[Group, ...], Ints]:
    """Dimensions that have channels in common, as groups; and the number of the group that each channel is in."""
    lengths = np.array(list(map(len, channels)))
    listed, place = np.concatenate(channels), np.repeat(np.arange(len(sites)), lengths)
    first = np.full(listed.max() + 1, len(sites))
    np.minimum.at(first, listed, place)  # the first dimension that has a channel
    numbers = components(len(sites), [torch.from_numpy(np.stack((place, first[listed])))])
    members: list[list[Member]] = [[] for _ in range(numbers.max() + 1)]
    rank = np.zeros_like(first)
    for site, line, number in zip(sites, channels, numbers, strict=True):
        if not members[number]:
            rank[line] = _ranks(line)
        members[number].append(Member(name=site[0], dim=site[1], units=torch.from_numpy(rank[line])))
    return tuple(Group(members=tuple(listed)) for listed in members), numbers[np.minimum(first, len(sites) - 1)]


def _ranks(line: Ints) -> Ints:
    """Channels as numbers from 0 in the order in which they first appear."""
    _, appears, inverse = np.unique(line, return_index=True, return_inverse=True)
    rank: Ints = np.argsort(np.argsort(appears))[inverse]
    return rank
