"""The units of a seed's groups that are kept, and the entries that a tensor therefore takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from models.common.architecture import VisionTransformer
from models.inheritance.axes import head_width
from models.inheritance.checks import check_size
from models.inheritance.naming import Sources
from models.inheritance.prepared_seed import PreparedSeed
from models.inheritance.structure import Member, components


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The units that stay, ascending, and of each unit the channels that stay ``inside`` it where it becomes narrower."""

    units: torch.Tensor
    inside: torch.Tensor | None
    width: int  # of a unit in the seed, where ``inside`` is given

    def entries(self, seed: Member) -> torch.Tensor:
        """The seed's entries that a dimension takes, in order, laid out as in the seed."""
        table = seed.positions[self.units]  # (units, entries of each)
        runs = table.unflatten(1, (-1, seed.run))
        if self.inside is not None and seed.run % self.width == 0:
            runs = runs.unflatten(2, (-1, self.width))[..., self.inside].flatten(2)
        return runs.movedim(1, 0).flatten()


@dataclass(frozen=True, kw_only=True)
class _Need:
    """The size of a dimension of the tensor ``name``: its units, and a unit's channels in the seed and in the network."""

    name: str
    units: int
    widths: tuple[int, int]


class Selections:
    """The selections of a cut. One serves all groups of the seed that a tensor is averaged over.

    Args:
        shapes: of the network's tensors.

    Raises:
        ScalerError: a dimension needs more units than the seed has.
    """

    def __init__(self, seed: PreparedSeed, arch: VisionTransformer, sources: Sources, shapes: Mapping[str, torch.Size]) -> None:
        self._seed, self._arch, self._sources = seed, arch, sources
        self._entries: dict[tuple[str, int], torch.Tensor | None] = {}
        needs: dict[int, _Need] = {}
        together = [(0, 0)]
        for name, size, found in self._dimensions(shapes):
            for number, member in found:
                together.append((number, found[0][0]))
                need = self._need(name, size, member)
                if number not in needs or need.widths > needs[number].widths:
                    needs[number] = need
        self._kinds = components(len(seed.structure.groups), [torch.tensor(together).T])
        self._selected = {kind: self._select(kind, needs) for kind in {int(self._kinds[number]) for number in needs}}

    def entries(self, name: str, dim: int) -> torch.Tensor | None:
        """The seed's entries along ``dim`` of a tensor, on its device; None where all are kept, or it has no channels."""
        if (name, dim) not in self._entries:
            found, device = self._found(name, dim), self._seed.tensors[self._sources[name][0]].device
            self._entries[name, dim] = None if found is None else found.to(device)
        return self._entries[name, dim]

    def _found(self, name: str, dim: int) -> torch.Tensor | None:
        source = self._sources[name][0]
        if (source, dim) in self._seed.structure.in_heads:
            return self._selected[int(self._kinds[self._seed.structure.in_heads[source, dim]])].inside
        if (source, dim) not in self._seed.structure.at:
            return None
        number, member = self._seed.structure.at[source, dim]
        entries = self._selected[int(self._kinds[number])].entries(member)
        return None if len(entries) == len(member.units) else entries

    def _dimensions(self, shapes: Mapping[str, torch.Size]) -> Iterator[tuple[str, int, list[tuple[int, Member]]]]:
        """Every dimension of channels: the tensor, the size, and the groups of the seed's that it comes from."""
        at = self._seed.structure.at
        for name, theirs in self._sources.items():
            for dim, size in enumerate(shapes[name]):
                found = [at[source, dim] for source in theirs if (source, dim) in at]
                if found:
                    yield name, size, found

    def _need(self, name: str, size: int, member: Member) -> _Need:
        each = member.positions.shape[1]
        if each == 1:
            return _Need(name=name, units=size, widths=(1, 1))
        before, after = head_width(self._seed.arch, member.name), head_width(self._arch, name)
        return _Need(name=name, units=size * before // (each * after), widths=(before, after))

    def _select(self, kind: int, needs: Mapping[int, _Need]) -> Selection:
        numbers = [number for number in needs if self._kinds[number] == kind]
        need = needs[numbers[0]]
        before, after = max(needs[number].widths for number in numbers)
        available = min(self._seed.structure.groups[number].size for number in numbers)
        check_size(self._seed.arch, self._arch, need.name, need.units, available)
        units = best([self._seed.scores(number, need.units) for number in numbers], need.units)
        if before == after:
            return Selection(units=units, inside=None, width=1)
        inside = best([self._seed.scores(number, after, before) for number in numbers], after)
        return Selection(units=units, inside=inside, width=before)


def best(scores: Sequence[torch.Tensor], keep: int) -> torch.Tensor:
    """The ``keep`` units of the greatest scores, summed over groups, in ascending order; of equals the first."""
    total = torch.stack(list(scores)).sum(0)
    return total.argsort(descending=True, stable=True)[:keep].sort().values
