"""An additive score: the seed's answers with one part of it replaced by the network's, summed over the parts."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F

from experiments.ranking.readings import Reading, mean_and_error
from models.common.architecture import VisionTransformer
from models.inheritance.inherit import inherit_from
from models.inheritance.prepared_seed import PreparedSeed, at_resolution
from scaler.cost.architecture import Architecture, Value, cost_of

_NAME = "replaced_parts"


@dataclass(frozen=True)
class _Divergence:
    """KL divergence of the seed's answers from a cut's, for each image, and the cost of computing it."""

    of_images: torch.Tensor
    flops: int
    seconds: float


@dataclass(kw_only=True)
class ReplacedParts:
    """Minus the sum over the parts of KL(seed, seed with that part as in the network), without training.

    A part is all axes of one stage, or one axis that has no stages. A divergence is computed when a network first needs it, which
    is charged with its cost.

    Source: Bercovich et al. 2024, "Puzzle" (arXiv 2411.19146), whose blocks are also trained one by one.
    """

    seed: PreparedSeed
    names: tuple[str, ...] = (_NAME,)
    _found: dict[tuple[tuple[str, Value], ...], _Divergence] = field(default_factory=dict)

    @cached_property
    def _answers(self) -> list[torch.Tensor]:
        return [self.seed.network(images).log_softmax(1) for images, _ in self.seed.batches]

    def __call__(self, arch: Architecture) -> Mapping[str, Reading]:
        """Return the reading of each of `names`."""
        changes = [part for part in _parts(arch) if dict(part).items() - self.seed.arch.values().items()]
        new = [part for part in changes if part not in self._found]
        for part in new:
            self._found[part] = self._divergence(part)
        summed = sum((self._found[part].of_images for part in changes), torch.zeros(1))
        value, error = mean_and_error((-summed).tolist())
        flops, seconds = (sum(getattr(self._found[part], cost) for part in new) for cost in ("flops", "seconds"))
        return {_NAME: Reading(value=value, uncertainty=error, flops=flops, seconds=seconds)}

    @torch.no_grad()
    def _divergence(self, part: tuple[tuple[str, Value], ...]) -> _Divergence:
        started, own = time.monotonic(), self.seed.arch
        arch: VisionTransformer = own.with_values({**own.values(), **dict(part)})
        network, divergences = inherit_from(self.seed, arch).network.eval(), []
        for (images, _), answers in zip(self.seed.batches, self._answers, strict=True):
            found = network(at_resolution(images, arch.resolution)).log_softmax(1)
            divergences.append(F.kl_div(found, answers, reduction="none", log_target=True).sum(1))
        of_seed = 0 if self._found else cost_of(own).flops
        flops = sum(len(images) for images, _ in self.seed.batches) * (2 * cost_of(arch).flops + of_seed)  # batch norms too
        return _Divergence(torch.cat(divergences), flops, time.monotonic() - started)


def _parts(arch: Architecture) -> list[tuple[tuple[str, Value], ...]]:
    """Return the values of ``arch`` by stage, and those without a stage one by one."""
    parts: dict[str, list[tuple[str, Value]]] = {}
    for name, value in arch.values().items():
        stage = re.search(r"\[(\d+)\]", name)
        parts.setdefault(stage[1] if stage else name, []).append((name, value))
    return [tuple(part) for part in parts.values()]
