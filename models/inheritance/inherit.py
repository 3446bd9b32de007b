"""Weights for a smaller network, cut out of a trained seed of its family."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.checkpoints.resize import heads
from models.common.architecture import VisionTransformer
from models.common.multiplexing import aliases
from models.inheritance.bare_network import bare_network
from models.inheritance.checks import check_depths, check_kinds
from models.inheritance.correction import correct_std, renew_batch_norms
from models.inheritance.cutting import Cut
from models.inheritance.depth import depth_of, kept_blocks, stages_of
from models.inheritance.naming import Sources, sources_of
from models.inheritance.prepared_seed import PreparedSeed, at_resolution, prepare
from models.inheritance.report import Row
from models.inheritance.rule import Rule
from models.networks.loading import with_new_head


@dataclass(frozen=True, kw_only=True, eq=False)
class Inherited:
    """A network with its inherited weights, and where they come from.

    Attributes:
        network: in train mode, on the seed's device and in its precision.
        report: one row for each tensor of its state dict, in order.
    """

    network: nn.Module
    report: tuple[Row, ...]


def inherit(
    seed_network: nn.Module,
    seed_arch: VisionTransformer,
    arch: VisionTransformer,
    rule: Rule | None = None,
    calibration: Iterable[Any] | None = None,
) -> Inherited:
    """Build the network of ``arch`` with weights cut out of ``seed_network``.

    For many architectures from one seed, `prepare` it once and call `inherit_from`.

    Args:
        seed_network: trained, of ``seed_arch``; it is put into eval mode.
        arch: of the seed's family, or of its multiplexed form; no axis but window and resolution may exceed the seed's.
        calibration: batches of images, or pairs of images and classes, for rules that need some.

    Raises:
        ScalerError: with the axis at which ``arch`` does not fit into the seed, or with what calibration lacks.
    """
    return inherit_from(prepare(seed_network, seed_arch, rule or Rule(), calibration), arch)


def inherit_from(seed: PreparedSeed, arch: VisionTransformer, *, new_head: bool = False) -> Inherited:
    """Build the network of ``arch`` with weights cut out of ``seed``.

    Args:
        new_head: its classes are others than the seed's, though their number may be the same: its head is drawn anew.

    Raises:
        ScalerError: with the axis at which ``arch`` does not fit into the seed.
    """
    is_new = new_head or arch.num_classes != seed.arch.num_classes
    cut = cut_for(seed, arch, new_head=is_new)
    network, (state, rows) = cut.network, cut.tensors()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed.rule.random_seed)
        network.load_state_dict(with_new_head(network, state) if is_new else state)
    _correct(cut, network)
    return Inherited(network=network, report=rows)


def cut_for(seed: PreparedSeed, arch: VisionTransformer, *, new_head: bool = False, **overrides: Any) -> Cut:
    """Return the cut of ``arch`` out of ``seed``, with its network built and no weights taken yet.

    ``overrides`` go to timm's constructor.

    Raises:
        ScalerError: with the axis at which ``arch`` does not fit into the seed.
    """
    check_kinds(seed.arch, arch)
    like = next(seed.network.parameters())
    network = bare_network(arch, **({} if arch.is_plain else {"identity": True}), **overrides).to(like.device, like.dtype)
    return Cut(seed=seed, arch=arch, network=network, sources=_sources(seed, arch, network, new_head))


def _sources(seed: PreparedSeed, arch: VisionTransformer, network: nn.Module, new_head: bool) -> Sources:
    names = network.state_dict()
    depths = {stage: (depth_of(stage, seed.tensors), depth_of(stage, names)) for stage in stages_of(arch)}
    check_depths(seed.arch, arch, depths)
    kept = kept_blocks(seed.rule.depth, depths, seed.distances)
    found = sources_of(names, aliases(network), seed.names, kept)
    other_head = heads(network) & names.keys() if new_head else ()
    return found | dict.fromkeys(other_head, ())


def _correct(cut: Cut, network: nn.Module) -> None:
    rule, seed = cut.seed.rule, cut.seed
    images = [at_resolution(batch, cut.arch.resolution) for batch, _ in seed.batches]
    if rule.std_correction:
        first = {name: sources[0] for name, sources in cut.sources.items() if sources and sources[0] in seed.moments}
        correct_std(
            network, images[0], {name: (seed.moments[source], cut.selections.entries(name, 0)) for name, source in first.items()}
        )
    if rule.batch_norm:
        renew_batch_norms(network, images)
