"""The start from a trained seed: the weights of every candidate are cut out of the seed's own (`models.inheritance`)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from torch import nn

from experiments.data.centre_crops import centre_crops
from experiments.data.image_set import ImageData, ImageSet
from experiments.data.input_format import InputFormat
from experiments.losses.teacher import weights_digest
from experiments.runtime.processes import pick_device
from models.common.architecture import VisionTransformer
from models.inheritance.inherit import Inherited, inherit_from
from models.inheritance.prepared_seed import PreparedSeed, prepare
from models.inheritance.rule import Rule
from models.networks.model_spec import ModelSpec, model_spec_of
from scaler.cost.architecture import Architecture
from scaler.errors import ScalerError
from scaler.results.variant import read_info

INHERITED, GIVEN, RANDOM = "inherited", "weights", "random"  # starts, as ledgers name them
_IMAGES, _BATCH = 512, 128  # for calibration; statistics of batch norms settle within some hundreds


@dataclass(frozen=True, kw_only=True, eq=False)
class InheritedStart:
    """A trained seed that gives its weights to candidates.

    Attributes:
        digest: of everything that decides the weights that it gives: its own, the rule, the calibration images.
        input_format: of the seed, whose normalization candidates keep.
        new_head: the images have other classes than the seed, so that the heads of candidates are new.
    """

    seed: PreparedSeed
    digest: str
    input_format: InputFormat
    new_head: bool = False

    @classmethod
    def of(cls, spec: ModelSpec, rule: Rule, images: ImageData | None = None) -> "InheritedStart":
        """Return the start from ``spec``, calibrated on training images that are not held out, where there are ``images``.

        Raises:
            ScalerError: if ``spec`` has no trained weights, or its family is none whose weights can be cut.
        """
        arch, new_head = require_seed(spec), images is not None and not tells_same_classes(spec, images)
        part = _calibration(images, rule.random_seed) if images else None
        facts = [weights_digest(spec), asdict(rule), [images.name, part.digest()] if images and part else None]
        facts += ["new head"] if new_head else []
        network = spec.build().to(pick_device()).eval()
        batches = _batches(network, spec, part) if part else ()
        return cls(
            seed=prepare(network, arch, rule, _answered(network, batches) if new_head else batches),
            digest=sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16],
            input_format=InputFormat.of(spec),
            new_head=new_head,
        )

    def spec_of(self, name: str, arch: Architecture) -> ModelSpec:
        """Return ``arch`` as a model that takes its images normalized as the seed does."""
        spec = model_spec_of(name, arch)
        normalization = {"mean": list(self.input_format.mean), "std": list(self.input_format.std)}
        return replace(spec, config={**spec.config, "pretrained_cfg": {**spec.config["pretrained_cfg"], **normalization}})

    def cut(self, spec: ModelSpec) -> Inherited:
        """Return the network of ``spec`` with inherited weights, and the origin of each.

        Raises:
            ScalerError: if weights of the seed do not fit it; the message names the axis.
        """
        if not isinstance(spec.arch, VisionTransformer):
            raise ScalerError(f"{spec.name} is of no family whose weights can be cut: give a TinyViT, DeiT or Swin")
        return inherit_from(self.seed, spec.arch, new_head=self.new_head)


def tells_same_classes(spec: ModelSpec, images: ImageData) -> bool:
    """Return True if ``spec`` has as many classes as ``images``, of the same names in the same order where both have names."""
    names = spec.label_names and images.class_names
    return spec.num_classes == images.num_classes and (not names or spec.label_names == images.class_names)


def require_seed(spec: ModelSpec) -> VisionTransformer:
    """Return the architecture of a model that can give weights.

    Raises:
        ScalerError: if it cannot (`why_no_seed`).
    """
    reason = why_no_seed(spec)
    if reason or not isinstance(spec.arch, VisionTransformer):
        raise ScalerError(reason)
    return spec.arch


def why_no_seed(spec: ModelSpec) -> str:
    """Return the reason for which ``spec`` cannot give weights; an empty text if it can."""
    if spec.weights is None:
        return f"{spec.name} has no weights: train it first, or import some (`scaler import`)"
    if is_untrained_cut(spec):
        return f"{spec.name} has weights that were cut and not trained since: train it first (`scaler train {spec.name}`)"
    if not isinstance(spec.arch, VisionTransformer):
        return f"{spec.name} is of no family whose weights can be cut: take a TinyViT, a DeiT or a Swin"
    return ""


def is_untrained_cut(spec: ModelSpec) -> bool:
    """Return True if the weights of ``spec`` were cut out of a seed and not trained since."""
    info = read_info(spec.weights.parent) if spec.weights else None
    return info is not None and info.start == INHERITED


def start_of(spec: ModelSpec, start: InheritedStart | None) -> str:
    """Return the name of the weights from which a training of ``spec`` begins."""
    if spec.weights:
        return INHERITED if is_untrained_cut(spec) else GIVEN
    return INHERITED if start else RANDOM


def _calibration(images: ImageData, seed: int) -> ImageSet:
    """Return some training images, always the same."""
    chosen = np.random.default_rng([seed, len(images.train)]).permutation(len(images.train))[:_IMAGES]
    return replace(images.train, indices=images.train.indices[chosen])


def _batches(network: nn.Module, spec: ModelSpec, part: ImageSet) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield images as ``spec`` takes them with their classes, on the device of ``network``."""
    device = next(network.parameters()).device
    for pixels, labels in centre_crops(part, InputFormat.of(spec), _BATCH):
        yield pixels.to(device), labels.to(device)


def _answered(
    network: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the images of ``batches`` with the most probable of the network's own classes, whatever classes they are of."""
    for images, _ in batches:
        with torch.no_grad():
            answers: torch.Tensor = network(images)
        yield images, answers.argmax(1)
