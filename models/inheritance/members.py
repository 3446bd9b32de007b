"""An elastic seed: its channels sorted by importance, and its members, smaller networks that run on slices of its tensors.

A member keeps the first channels, heads and hidden channels of every group, and the last blocks of equal parts of a stage. While
the seed is trained, members have no weights of their own: `Members` cuts them out of the seed's parameters in every pass, by the
rules of `models.inheritance.cutting`, so that gradients of all members add up in the seed's tensors.
"""

from functools import lru_cache

import torch
from torch import nn
from torch.func import functional_call

from models.common.architecture import VisionTransformer
from models.inheritance.cutting import Cut
from models.inheritance.inherit import cut_for
from models.inheritance.prepared_seed import PreparedSeed, at_resolution, prepare
from models.inheritance.rule import Rule
from models.inheritance.selection import Selection

_KEPT = 256  # built networks of members


def member_rule(random_seed: int = 0, *, batch_norm: bool = True) -> Rule:
    """Return the rule by which members are cut out of an elastic seed."""
    return Rule(channels="first", depth="even", batch_norm=batch_norm, random_seed=random_seed)


def sorted_tensors(seed: PreparedSeed) -> dict[str, torch.Tensor]:
    """Return the state dict of ``seed`` with the units of each group in descending order of their scores by its rule.

    The network computes what it did before, up to rounding. Colours of the image, which no layer writes, and classes, which none
    reads, keep their order.
    """
    found = {name: tensor.clone() for name, tensor in seed.tensors.items()}
    for number, group in enumerate(seed.structure.groups):
        if not {0, 1} <= {member.dim for member in group.members}:
            continue
        order = seed.scores(number, group.size).argsort(descending=True, stable=True)
        for member in group.members:
            entries = Selection(units=order, inside=None, width=1).entries(member)
            found[member.name] = found[member.name].index_select(member.dim, entries.to(found[member.name].device))
    return found


class Members:
    """The members of the elastic seed ``network``, which is of ``arch`` and has sorted channels."""

    def __init__(self, network: nn.Module, arch: VisionTransformer) -> None:
        training = network.training
        self._seed = prepare(network, arch, member_rule(batch_norm=False))
        network.train(training)
        self._cut = lru_cache(maxsize=_KEPT)(self._new_cut)

    def __call__(self, arch: VisionTransformer, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the member ``arch`` in training mode, for images at the seed's resolution.

        Batch norms use the statistics of the batch.

        Raises:
            ScalerError: with the axis at which ``arch`` does not fit into the seed.
        """
        logits: torch.Tensor = functional_call(
            self._cut(arch).network, self.tensors(arch), (at_resolution(images, arch.resolution),)
        )
        return logits

    def tensors(self, arch: VisionTransformer) -> dict[str, torch.Tensor]:
        """Return the parameters of the member ``arch``, as functions of the seed's."""
        cut = self._cut(arch)
        names = cut.shapes.keys() & {name for name, _ in cut.network.named_parameters()}
        return cut.taken_from(dict(self._seed.network.named_parameters()), sorted(names))

    def _new_cut(self, arch: VisionTransformer) -> Cut:
        cut = cut_for(self._seed, arch, drop_path_rate=0.0)
        _drop_parameters(cut.network)
        cut.network.train()
        return cut


def _drop_parameters(network: nn.Module) -> None:
    """Free the memory of the parameters; shared ones stay shared."""
    empty: dict[nn.Parameter, nn.Parameter] = {}
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                twin = empty.setdefault(parameter, nn.Parameter(parameter.detach().to("meta")))
                module._parameters[name] = twin
