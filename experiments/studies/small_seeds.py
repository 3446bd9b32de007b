"""The seeds of the studies of inheritance: small networks of three families, trained, and smaller architectures around them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.data.image_set import ImageData
from experiments.recipes import RECIPES
from experiments.runtime.console import say
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.records import variant_info
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.budget import Bound, Budget
from scaler.cost.architecture import cost_of
from scaler.space.feasible_set import FeasibleSet
from search_spaces.compound_scaling import compound_scaling
from search_spaces.spaces import SPACES

_GOLDEN = (5**0.5 - 1) / 2
_SEED = 100  # of the trained networks; the studies' own trainings count from 0
# Those of 1 M parameters, the two slow ones made smaller, so that hundreds of trainings take an hour on one core.
_DEIT: dict[str, Any] = {"embed_dim": 64, "num_heads": 8, "resolution": 24}
_SWIN: dict[str, Any] = {"embed_dim": 32, "num_heads": (4, 8, 16), "window_size": (3, 3, 3), "resolution": 24}
ARCHS: dict[str, Any] = {
    "tiny_vit": SEEDS["tiny_vit_1m_32"],
    "deit": replace(SEEDS["deit_1m_patch4_32"], **_DEIT),
    "swin": replace(SEEDS["swin_1m_patch2_32"], **_SWIN),
}
# The same, multiplexed.
MINIS: dict[str, Any] = {
    "tiny_vit": SEEDS["mini_tiny_vit_1m_32"],
    "deit": replace(SEEDS["mini_deit_1m_patch4_32"], **_DEIT),
    "swin": replace(SEEDS["mini_swin_1m_patch2_32"], **_SWIN),
}


def trained_seed(family: str, images: ImageData, folder: Path, epochs: int) -> ModelSpec:
    """Return the seed of ``family``, trained on ``images`` into ``folder`` unless it lies there."""
    return trained_model(family, ARCHS[family].with_task(num_classes=images.num_classes), images, folder, epochs)


def trained_model(name: str, arch: Any, images: ImageData, folder: Path, epochs: int) -> ModelSpec:
    """Return a model of ``arch``, trained on ``images`` into ``folder`` unless it lies there."""
    spec = model_spec_of(name, arch)
    backend = TrainingBackend(images, "small", replace(RECIPES["small"], epochs=epochs))
    score = backend.score(spec, variant_info(spec, name), folder, seed=_SEED, final=True)
    say(f"the trained {name}: {score.metrics.top1:.2f} %")
    return open_model_spec(str(folder))


def smaller_arch(family: str, number: int) -> Any:
    """Return shape ``number`` of a family: a uniform draw from the exact set of a part, one half to one sixth, of its FLOPs.

    The parts of consecutive shapes are spread evenly in their logarithms.
    """
    feasible = part_of(family, ARCHS[family], 3 ** (number * _GOLDEN % 1) / 6)
    return feasible.space.arch(feasible.sample_points(1, np.random.default_rng(number))[0])


def scaled_arch(feasible: FeasibleSet) -> Any:
    """Return the uniform scaling of the seed into a feasible set."""
    return feasible.space.arch(compound_scaling(feasible.space, feasible))


def part_of(family: str, seed: Any, part: float, tolerance: float = 0.05) -> FeasibleSet:
    """Return the architectures around ``seed`` with a part of its FLOPs, within ``tolerance`` of that part."""
    flops = cost_of(seed).flops * part
    band = Bound((1 - tolerance) * flops, (1 + tolerance) * flops)
    return FeasibleSet(SPACES[family](family, seed, None), Budget((("flops", band),)))


def random_network(spec: ModelSpec, seed: int) -> nn.Module:
    """Build the network of ``spec`` with weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spec.without_weights().build()
