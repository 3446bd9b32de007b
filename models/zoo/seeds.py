"""The seeds, by name: published architectures, and small ones for images of about 32 pixels.

Widths, heads, depths and windows of the published TinyViTs: Wu et al. 2022, official ``configs/1k`` and the table of
``tiny_vit_*_{224,384,512}`` in their ``models/tiny_vit.py``; windows are res/32, res/16, res/32 in stages 2 to 4.
"""

from dataclasses import fields, replace
from typing import Any, TypeVar

from models.common.architecture import VisionTransformer
from models.deit.arch import DeiTArch, MiniDeiTArch
from models.swin.arch import MiniSwinArch, SwinArch
from models.tiny_vit.arch import MiniTinyViTArch, TinyViTArch

_21M = TinyViTArch(embed_dims=(96, 192, 384, 576), depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 18), window_sizes=(7, 7, 14, 7))
_DEIT = DeiTArch(embed_dim=768, depth=12, num_heads=12)
_SWIN = SwinArch(embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), window_size=(7,) * 4, mlp_ratio=(4.0,) * 4)
_SWIN_B = replace(_SWIN, embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32))

_PLAIN: dict[str, Any] = {
    "tiny_vit_5m_224": replace(_21M, embed_dims=(64, 128, 160, 320), num_heads=(2, 4, 5, 10)),
    "tiny_vit_11m_224": replace(_21M, embed_dims=(64, 128, 256, 448), num_heads=(2, 4, 8, 14)),
    "tiny_vit_21m_224": _21M,
    "tiny_vit_21m_384": replace(_21M, window_sizes=(12, 12, 24, 12), resolution=384),
    "tiny_vit_21m_512": replace(_21M, window_sizes=(16, 16, 32, 16), resolution=512),
    # Source: Touvron et al. 2021, table 1: 192, 384 and 768 channels in heads of 64, 12 layers.
    "deit_tiny_patch16_224": replace(_DEIT, embed_dim=192, num_heads=3),
    "deit_small_patch16_224": replace(_DEIT, embed_dim=384, num_heads=6),
    "deit_base_patch16_224": _DEIT,
    "deit_base_patch16_384": replace(_DEIT, resolution=384),
    # Source: Liu et al. 2021, section 3.3: 96 or 128 channels in heads of 32, windows of 7; 12 at 384 pixels.
    "swin_tiny_patch4_window7_224": _SWIN,
    "swin_small_patch4_window7_224": replace(_SWIN, depths=(2, 2, 18, 2)),
    "swin_base_patch4_window7_224": _SWIN_B,
    "swin_base_patch4_window12_384": replace(_SWIN_B, window_size=(12,) * 4, resolution=384),
    # Ours: a TinyViT whose maps are 8, 4, 2 and 1 wide, a DeiT of 64 patches, a Swin whose maps are 16, 8 and 4 wide.
    "tiny_vit_1m_32": TinyViTArch(
        embed_dims=(32, 64, 128, 160),
        depths=(2, 2, 3, 1),
        num_heads=(2, 4, 8, 10),
        window_sizes=(4, 4, 2, 1),
        resolution=32,
        num_classes=10,
    ),
    "deit_1m_patch4_32": DeiTArch(embed_dim=128, depth=6, num_heads=4, patch_size=4, resolution=32, num_classes=10),
    "swin_1m_patch2_32": SwinArch(
        embed_dim=48,
        depths=(2, 2, 2),
        num_heads=(3, 6, 12),
        window_size=(4, 4, 4),
        mlp_ratio=(4.0,) * 3,
        patch_size=2,
        resolution=32,
        num_classes=10,
    ),
}


Mini = TypeVar("Mini", bound=VisionTransformer)


def _mini(kind: type[Mini], name: str, share: Any) -> Mini:
    """Return the plain seed ``name``, multiplexed: ``share`` passes per block."""
    plain = _PLAIN[name]
    return kind(**{field.name: getattr(plain, field.name) for field in fields(plain)} | {"share": share})


_MINIS: dict[str, VisionTransformer] = {
    # Source: Zhang et al. 2022 and the authors' configurations: 12 passes over 6 blocks; a stage of Mini-Swin-T is one block; in
    # the third stage of S and B 18 passes run over 9.
    **{
        f"mini_deit_{size}": _mini(MiniDeiTArch, f"deit_{size}", 2)
        for size in ("tiny_patch16_224", "small_patch16_224", "base_patch16_224", "base_patch16_384")
    },
    "mini_swin_tiny_224": _mini(MiniSwinArch, "swin_tiny_patch4_window7_224", (2, 2, 6, 2)),
    "mini_swin_small_224": _mini(MiniSwinArch, "swin_small_patch4_window7_224", (2, 2, 2, 2)),
    "mini_swin_base_224": _mini(MiniSwinArch, "swin_base_patch4_window7_224", (2, 2, 2, 2)),
    "mini_swin_base_384": _mini(MiniSwinArch, "swin_base_patch4_window12_384", (2, 2, 2, 2)),
    # Ours: no one has published these.
    **{
        f"mini_tiny_vit_{size}_224": _mini(MiniTinyViTArch, f"tiny_vit_{size}_224", (1, 2, 2, 2)) for size in ("5m", "11m", "21m")
    },
    "mini_tiny_vit_1m_32": _mini(MiniTinyViTArch, "tiny_vit_1m_32", (1, 2, 3, 1)),
    "mini_deit_1m_patch4_32": _mini(MiniDeiTArch, "deit_1m_patch4_32", 2),
    "mini_swin_1m_patch2_32": _mini(MiniSwinArch, "swin_1m_patch2_32", (2, 2, 2)),
}

SEEDS: dict[str, VisionTransformer] = _PLAIN | _MINIS
