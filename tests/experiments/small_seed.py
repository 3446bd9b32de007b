"""A small seed in a folder, with weights of its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from experiments.scoring.records import variant_info
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from models.tiny_vit.arch import TinyViTArch

ARCH = TinyViTArch(
    embed_dims=(16, 32, 32, 48),
    depths=(1, 2, 2, 1),
    num_heads=(1, 2, 2, 3),
    window_sizes=(4, 4, 2, 1),
    resolution=16,
    num_classes=10,
)


def seed_in(folder: Path, arch: TinyViTArch = ARCH, random_seed: int = 5, label_names: Sequence[str] = ()) -> ModelSpec:
    """Write the seed with every tensor drawn at random, and open it; images are normalized as in no family of timm's."""
    spec = model_spec_of("seed", arch)
    cfg = {**spec.config["pretrained_cfg"], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        network = spec.build()
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.is_floating_point():
                    tensor.add_(torch.rand_like(tensor) * 0.1)
    named = replace(spec, config={**spec.config, "pretrained_cfg": cfg}).with_label_names(label_names)
    named.write(folder, variant_info(named, "seed"), network.state_dict())
    return open_model_spec(str(folder))
