"""Every architecture that exists by name: the published ones, and small ones for small images.

Widths, heads, depths and windows of the published TinyViTs: Wu et al. 2022, official ``configs/1k`` and the table of
``tiny_vit_*_{224,384,512}`` in their ``models/tiny_vit.py``; windows are res/32, res/16, res/32 in stages 2 to 4.
"""

from dataclasses import replace

from models.tiny_vit.arch import TinyViTArch
from scaler.errors import UnknownNameError

_21M = TinyViTArch(embed_dims=(96, 192, 384, 576), depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 18), window_sizes=(7, 7, 14, 7))

SEEDS: dict[str, TinyViTArch] = {
    "tiny_vit_5m_224": replace(_21M, embed_dims=(64, 128, 160, 320), num_heads=(2, 4, 5, 10)),
    "tiny_vit_11m_224": replace(_21M, embed_dims=(64, 128, 256, 448), num_heads=(2, 4, 8, 14)),
    "tiny_vit_21m_224": _21M,
    "tiny_vit_21m_384": replace(_21M, window_sizes=(12, 12, 24, 12), resolution=384),
    "tiny_vit_21m_512": replace(_21M, window_sizes=(16, 16, 32, 16), resolution=512),
    # Ours, for images of about 32 pixels: the published shape at a sixth of the width and half of the depth in stage 3;
    # the maps are 8, 4, 2 and 1 wide, so every window is its whole map but in stage 2.
    "tiny_vit_1m_32": TinyViTArch(
        embed_dims=(32, 64, 128, 160), depths=(2, 2, 3, 1), num_heads=(2, 4, 8, 10), window_sizes=(4, 4, 2, 1),
        resolution=32, num_classes=10,
    ),
}  # fmt: skip


def seed(name: str) -> TinyViTArch:
    """The architecture called ``name``.

    Raises:
        UnknownNameError: with the closest known name.
    """
    if name not in SEEDS:
        raise UnknownNameError("seed", name, SEEDS)
    return SEEDS[name]
