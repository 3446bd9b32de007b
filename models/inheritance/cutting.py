"""The tensors of a smaller network, cut out of those of a seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from models.common.architecture import VisionTransformer
from models.inheritance import tables
from models.inheritance.naming import Sources
from models.inheritance.prepared_seed import PreparedSeed
from models.inheritance.report import Row, action_of
from models.inheritance.selection import Selections


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """One cut: the seed, and the architecture, the built network and the sources of its tensors."""

    seed: PreparedSeed
    arch: VisionTransformer
    network: nn.Module
    sources: Sources

    def tensors(self) -> tuple[dict[str, torch.Tensor], tuple[Row, ...]]:
        """The state dict, and where each of its tensors comes from."""
        made = [self._tensor(name, tensor) for name, tensor in self.network.state_dict().items()]
        return {row.name: tensor for tensor, row in made}, tuple(row for _, row in made)

    def taken_from(self, given: Mapping[str, torch.Tensor], names: Iterable[str]) -> dict[str, torch.Tensor]:
        """Return the tensors called ``names``, cut out of ``given`` in place of the seed's tensors; gradients flow into it."""
        shapes = self.shapes
        found = {name: [self._one(name, given[source], shapes[name])[0] for source in self.sources[name]] for name in names}
        return {name: torch.stack(cuts).mean(0) if len(cuts) > 1 else cuts[0] for name, cuts in found.items()}

    @cached_property
    def shapes(self) -> dict[str, torch.Size]:
        """The shape of every tensor of the network's state dict."""
        return {name: tensor.shape for name, tensor in self.network.state_dict().items()}

    @cached_property
    def selections(self) -> Selections:
        """The channels that stay, for all tensors alike."""
        return Selections(self.seed, self.arch, self.sources, self.shapes)

    def _tensor(self, name: str, own: torch.Tensor) -> tuple[torch.Tensor, Row]:
        sources, shape = self.sources[name], tuple(own.shape)
        if not sources:
            return own, Row(name=name, action="new", shape=shape)
        found = [self._one(name, self.seed.tensors[source], own.shape) for source in sources]
        tensor = torch.stack([cut for cut, _ in found]).mean(0) if len(found) > 1 else found[0][0]
        before = tuple(self.seed.tensors[sources[0]].shape)
        action = action_of(sources, resized=found[0][1], seed_shape=before, shape=shape)
        return tensor, Row(name=name, action=action, shape=shape, sources=sources, seed_shape=before)

    def _one(self, name: str, tensor: torch.Tensor, shape: torch.Size) -> tuple[torch.Tensor, bool]:
        """One source's entries for ``name``, and whether they were resized."""
        for dim in range(tensor.ndim):
            entries = self.selections.entries(name, dim)
            tensor = tensor if entries is None else tensor.index_select(dim, entries)
        if name.endswith("pos_embed"):
            tensor = tables.without_prefix(tensor, self._lost_tokens())
        if tensor.shape == shape:
            return tensor, False
        may_crop = self.seed.rule.windows != "resize"
        is_same_size = self.arch.resolution == self.seed.arch.resolution or self.seed.rule.windows == "crop"
        cropped = tables.cropped(name, tensor, shape) if may_crop and is_same_size else None
        return (tables.resized(name, self.network, tensor, shape), True) if cropped is None else (cropped, False)

    def _lost_tokens(self) -> int:
        """The number of the seed's class tokens that the network lacks."""
        tokens = [int(getattr(network, "num_prefix_tokens", 0)) for network in (self.seed.network, self.network)]
        return tokens[0] - tokens[1]
