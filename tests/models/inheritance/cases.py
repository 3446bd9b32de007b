"""Small seeds of every family, trained or as good as, and random architectures that fit into them."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import nn

from models.common.architecture import VisionTransformer
from models.deit.arch import DeiTArch, MiniDeiTArch
from models.swin.arch import MiniSwinArch, SwinArch
from models.tiny_vit.arch import MiniTinyViTArch, TinyViTArch
from models.zoo.families import build

_TINY_VIT: dict[str, Any] = {
    "embed_dims": (16, 32, 48), "depths": (2, 4, 3), "num_heads": (2, 4, 6), "window_sizes": (4, 4, 3), "resolution": 32,
    "num_classes": 10,
}  # fmt: skip
_DEIT: dict[str, Any] = {"embed_dim": 48, "depth": 6, "num_heads": 6, "patch_size": 8, "resolution": 32, "num_classes": 10}
_SWIN: dict[str, Any] = {
    "embed_dim": 16, "depths": (2, 4, 2), "num_heads": (4, 4, 8), "window_size": (4, 4, 3), "mlp_ratio": (4.0, 3.0, 2.0),
    "patch_size": 2, "resolution": 32, "num_classes": 10,
}  # fmt: skip

SMALL: dict[str, VisionTransformer] = {
    "tiny_vit": TinyViTArch(**_TINY_VIT),
    "deit": DeiTArch(**_DEIT),
    "swin": SwinArch(**_SWIN),
    "mini_tiny_vit": MiniTinyViTArch(**_TINY_VIT, share=(1, 2, 1)),
    "mini_deit": MiniDeiTArch(**_DEIT, share=2),
    "mini_swin": MiniSwinArch(**_SWIN, share=(1, 2, 2)),
}


@cache
def trained(name: str) -> nn.Module:
    """A network of the small seed in eval mode, with every tensor drawn at random: no norm and no transformation is neutral."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(SMALL[name]).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
            for leaf, buffer in network.named_buffers():
                if leaf.endswith(("running_mean", "running_var")):
                    buffer.add_(torch.rand_like(buffer) * 0.5)
    return network


def images(batch: int = 2, resolution: int = 32) -> torch.Tensor:
    return torch.randn(batch, 3, resolution, resolution, generator=torch.Generator().manual_seed(1))


def labelled(batch: int = 2) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """One batch of images and classes."""
    return [(images(batch), torch.arange(batch) % 10)]


def some_tiny_vit(rng: random.Random, seed: TinyViTArch) -> VisionTransformer:
    widths = [rng.randint(1, 8) for _ in seed.embed_dims]
    heads = tuple(rng.randint(1, most) for most in seed.num_heads)
    depths = tuple(rng.randint(1, most) for most in seed.depths)
    return replace(
        seed, embed_dims=(2 * rng.randint(1, 8), *(h * w for h, w in zip(heads[1:], widths[1:], strict=True))),
        num_heads=(1, *heads[1:]), depths=depths, share=tuple(_share(rng, depth) for depth in depths),
        window_sizes=tuple(rng.randint(1, 7) for _ in depths), mlp_ratio=rng.choice([1.3, 2.0, 4.0]),
        mbconv_expand_ratio=rng.choice([1.0, 2.3, 4.0]), resolution=rng.randint(16, 75), num_classes=rng.choice([10, 7]),
    )  # fmt: skip


def some_deit(rng: random.Random, seed: DeiTArch) -> VisionTransformer:
    heads, depth = rng.randint(1, seed.num_heads), rng.randint(1, seed.depth)
    return replace(
        seed, num_heads=heads, embed_dim=heads * rng.randint(1, 8), depth=depth, share=_share(rng, depth),
        mlp_ratio=rng.choice([1.3, 2.0, 4.0]), resolution=rng.randint(16, 75), num_classes=rng.choice([10, 7]),
    )  # fmt: skip


def some_swin(rng: random.Random, seed: SwinArch) -> VisionTransformer:
    embed_dim = 4 * rng.randint(1, 4)
    depths = tuple(rng.randint(1, most) for most in seed.depths)
    fitting = [
        [h for h in range(1, most + 1) if (embed_dim * 2**i) % h == 0 and embed_dim * 2**i // h <= seed.width(i) // most]
        for i, most in enumerate(seed.num_heads)
    ]
    return replace(
        seed, embed_dim=embed_dim, depths=depths, share=tuple(_share(rng, depth) for depth in depths),
        num_heads=tuple(map(rng.choice, fitting)), window_size=tuple(rng.randint(1, 7) for _ in depths),
        mlp_ratio=tuple(rng.choice([0.7, ratio]) for ratio in seed.mlp_ratio), resolution=rng.randint(16, 75),
        num_classes=rng.choice([10, 7]),
    )  # fmt: skip


def _share(rng: random.Random, depth: int) -> int:
    return rng.choice([passes for passes in range(1, depth + 1) if depth % passes == 0])


_SOME: dict[str, Callable[..., VisionTransformer]] = {"tiny_vit": some_tiny_vit, "deit": some_deit, "swin": some_swin}


def smaller(name: str, number: int) -> list[VisionTransformer]:
    """``number`` random architectures that fit into the small seed, the same every time."""
    rng = random.Random(f"{name}, cut")
    return [_SOME[name.removeprefix("mini_")](rng, SMALL[name]) for _ in range(number)]
