"""The importance of each channel, head or hidden channel of a seed.

Every criterion scores the units of one group (`models.inheritance.structure`); units are compared within their group alone.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from models.inheritance.structure import Group, Member, Structure

_AT_ONCE = 16  # images whose activations are kept for a gradient

Batch = tuple[torch.Tensor, torch.Tensor | None]  # images, and their classes or a teacher's probabilities


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedView:
    """The inputs of a criterion: the trained network in eval mode, its structure, and batches that fit it."""

    network: nn.Module
    structure: Structure
    batches: Sequence[Batch]

    def is_layer(self, member: Member) -> bool:
        """Return True if the member is a dimension of a linear layer's or a convolution's weight."""
        return _layer(self.network, member.name) is not None


class Criterion(Protocol):
    def __call__(self, group: Group, keep: int) -> torch.Tensor:
        """Scores of the units of ``group``, float64, of which the ``keep`` greatest are to stay."""


def first(group: Group, keep: int) -> torch.Tensor:
    """The first units."""
    return -torch.arange(group.size, dtype=torch.float64)


def stride(group: Group, keep: int) -> torch.Tensor:
    """Units in even steps from the first on. Source: Xu et al. 2024, "Initializing Models with Larger Ones"."""
    scores = torch.zeros(group.size, dtype=torch.float64)
    scores[torch.arange(keep) * group.size // keep] = 1
    return scores


class L2:
    """Norms of the weights that write and read a unit, batch norms folded in; each layer counts alike."""

    def __init__(self, seed: SeedView) -> None:
        self._seed = seed
        self._tensors: Mapping[str, torch.Tensor] = seed.network.state_dict()
        self._sums: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, group: Group, keep: int) -> torch.Tensor:
        members = [member for member in group.members if self._seed.is_layer(member)]
        norms = [_by_unit(member, self._squares(member.name)[member.dim]).sqrt() for member in members]
        return torch.stack([norm / norm.mean().clamp(min=1e-30) for norm in norms]).sum(0)

    def _squares(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of the squares of a weight's entries, along its output and its input channels."""
        if name not in self._sums:
            squares = self._tensors[name].float().square()
            squares = squares.sum((2, 3)) if squares.ndim == 4 else squares
            squares = squares * self._scale(name)[:, None]
            self._sums[name] = (squares.sum(1), squares.sum(0))
        return self._sums[name]

    def _scale(self, name: str) -> torch.Tensor:
        """The factor of each output channel's squares, from the batch norm that follows."""
        norm = self._seed.structure.folded.get(name)
        if norm is None:
            return self._tensors[name].new_ones(1)
        weight, var = (self._tensors[f"{norm}.{leaf}"].float() for leaf in ("weight", "running_var"))
        eps = float(self._seed.network.get_submodule(norm).eps)  # type: ignore[arg-type]
        return weight.square() / (var + eps)


class Activation:
    """Mean absolute value over tokens, L2 over images, of what the dense layers that read a unit take.

    For residual channels those are the outputs of all norms, for heads the input of ``proj``, for hidden channels that of
    ``fc2``. Source: Muralidharan et al. 2024 (Minitron).
    """

    def __init__(self, seed: SeedView) -> None:
        self._seed = seed
        names = {m.name for group in seed.structure.groups for m in group.members if m.dim == 1 and seed.is_layer(m)}
        self._squares = _input_squares(seed.network, names, [images for images, _ in seed.batches])

    def __call__(self, group: Group, keep: int) -> torch.Tensor:
        members = [member for member in group.members if member.dim == 1 and member.name in self._squares]
        norms = [_by_unit(member, self._squares[member.name]).sqrt() for member in members]
        return torch.stack(norms).sum(0) if norms else first(group, keep)


class Taylor:
    """The loss's first-order change when a unit is left out, |weight x gradient|, over all tensors that hold the unit.

    Source: Fang et al. 2024, "Isomorphic Pruning for Vision Models".
    """

    def __init__(self, seed: SeedView) -> None:
        self._changes = _first_order(seed.network, seed.batches)

    def __call__(self, group: Group, keep: int) -> torch.Tensor:
        members = [member for member in group.members if member.name in self._changes]
        return torch.stack([_by_unit(m, _summed(self._changes[m.name], m.dim)) for m in members]).sum(0)


# By the names of `models.inheritance.rule.CHANNELS`.
CRITERIA: dict[str, Callable[[SeedView], Criterion]] = {
    "first": lambda seed: first,
    "stride": lambda seed: stride,
    "l2": L2,
    "activation": Activation,
    "taylor": Taylor,
}


def _summed(values: torch.Tensor, dim: int) -> torch.Tensor:
    return values.sum([other for other in range(values.ndim) if other != dim]) if values.ndim > 1 else values


def _by_unit(member: Member, values: torch.Tensor) -> torch.Tensor:
    """Values of entries, summed for each unit."""
    return values.cpu().double()[member.positions].sum(1)


def _layer(network: nn.Module, name: str) -> nn.Module | None:
    owner, _, leaf = name.rpartition(".")
    module = network.get_submodule(owner)
    return module if leaf == "weight" and isinstance(module, nn.Linear | nn.Conv2d) else None


def _input_squares(network: nn.Module, names: Iterable[str], batches: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """For every weight, of each input channel: the sum over images of the squared mean over tokens of its absolute value."""
    found: dict[str, torch.Tensor] = {}
    images = 0

    def watch(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def note(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            x = args[0].movedim(1, -1) if isinstance(layer, nn.Conv2d) else args[0]
            means = x.abs().reshape(images, -1, x.shape[-1]).mean(1).double()  # windows lie image by image
            found[name] = found.get(name, 0) + means.square().sum(0)

        return note

    layers = {name: layer for name in names if (layer := _layer(network, name)) is not None}
    handles = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            for batch in batches:
                images = len(batch)
                network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _first_order(network: nn.Module, batches: Sequence[Batch]) -> dict[str, torch.Tensor]:
    """|weight x gradient| of every parameter, the gradient summed over batches."""
    twin = copy.deepcopy(network).eval().requires_grad_(True)
    for images, targets in batches:
        assert targets is not None
        for part, classes in zip(images.split(_AT_ONCE), targets.split(_AT_ONCE), strict=True):
            twin.train().eval()  # in eval mode timm's TinyViT keeps its position tables, with the graph of the last part
            with torch.enable_grad():
                (F.cross_entropy(twin(part), classes) * (len(part) / len(images))).backward()
    named = twin.named_parameters()
    return {name: (parameter * parameter.grad).abs().detach() for name, parameter in named if parameter.grad is not None}
