"""The layouts of published files: for each tensor's name in our networks, its key in the file.

Maps go from our names, which are timm's, to the files', so that a message can give a missing tensor's key in the file.
DeiT's authors use timm's names too, so DeiT needs no map.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from timm.models.swin_transformer import SwinTransformer
from timm.models.tiny_vit import TinyVit
from torch import nn

from models.deit.multiplexed import MultiplexedViT
from models.swin.multiplexed import MultiplexedSwin

# What belongs to each pass of a shared block: where we keep it, and where the authors do ({} is the pass within its block).
# Source: Mini-DeiT's mini_vision_transformer.py and irpe.py, Mini-Swin's swin_transformer_minivit.py.
MINI_DEIT_OWN = {
    "norm1.": "norm1.instances.{}.",
    "norm2.": "norm2.instances.{}.",
    "attn.pre.": "attn.conv_l.instances.{}.",
    "attn.post.": "attn.conv_w.instances.{}.",
    "attn.rpe_k.table": "attn.rpe_k.instances.{}.lookup_table_weight",
}
MINI_SWIN_OWN = {
    "norm1.": "norm1_list.{}.",
    "norm2.": "norm2_list.{}.",
    "attn.pre.": "proj_l.{}.",
    "attn.post.": "proj_w.{}.",
    "local_norm.": "local_norm_list.{}.",
    "local_conv.": "local_conv_list.{}.",
}


@dataclass(frozen=True)
class Layout:
    """A naming of tensors in files; ``key`` turns our name into the file's key."""

    name: str
    key: Callable[[str], str]


def layouts(network: nn.Module) -> list[Layout]:
    """Return every layout in which weights for ``network`` may come, its authors' first."""
    return [*_official(network), Layout("timm", str)]


def _official(network: nn.Module) -> list[Layout]:
    match network:
        case MultiplexedViT():
            return [Layout("official Mini-DeiT", partial(mini_deit, passes=_passes(network.blocks)))]
        case MultiplexedSwin():
            return [Layout("official Mini-Swin", partial(mini_swin, passes=[_passes(s.blocks) for s in network.layers]))]
        case SwinTransformer():
            return [Layout("official Swin", swin)]
        case TinyVit():
            return [Layout("official TinyViT", tiny_vit)]
    return []


def _passes(blocks: Sequence[Any]) -> int:
    """Return the number of passes that share the first block's weights, which is the same for all blocks of a stage."""
    first, *others = blocks
    return 1 + sum(block.attn.qkv is first.attn.qkv for block in others)


# Source: the authors' models/tiny_vit.py; timm keeps a merging step with the stage that it leads to.
_STEM = {"conv1": "seq.0", "conv2": "seq.2"}


def tiny_vit(name: str) -> str:
    """Map a TinyViT's name: ``stages.1.downsample.conv1.conv.weight`` to ``layers.0.downsample.conv1.c.weight``."""
    name = re.sub(r"^patch_embed\.(conv[12])\.", lambda found: f"patch_embed.{_STEM[found[1]]}.", name)
    name = _merging_ends_a_stage(re.sub(r"^stages\.", "layers.", name)).replace(".conv.", ".c.")
    return name.replace("head.norm.", "norm_head.").replace("head.fc.", "head.")


def swin(name: str) -> str:
    """Map a Swin's name: ``layers.1.downsample.norm.weight`` to ``layers.0.downsample.norm.weight``."""
    return _merging_ends_a_stage(name).replace("head.fc.", "head.")


def mini_swin(name: str, passes: Sequence[int]) -> str:
    """Map a Mini-Swin's name.

    With 2 ``passes`` per block, ``layers.1.blocks.3.attn.pre.bias`` to ``layers.1.blocks.1.proj_l.1.bias``.
    """
    found = re.fullmatch(r"layers\.(\d+)\.blocks\.(\d+)\.(.+)", name)
    if not found:
        return swin(name)
    block, instance = divmod(int(found[2]), passes[int(found[1])])
    return f"layers.{found[1]}.blocks.{block}.{_of_pass(found[3], instance, MINI_SWIN_OWN)}"


def mini_deit(name: str, passes: int) -> str:
    """Map a Mini-DeiT's name.

    With 2 ``passes`` per block, ``blocks.3.norm1.bias`` to ``blocks.1.block.norm1.instances.1.bias``.
    """
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    if not found:
        return name
    block, instance = divmod(int(found[1]), passes)
    return f"blocks.{block}.block.{_of_pass(found[2], instance, MINI_DEIT_OWN)}"


def _of_pass(name: str, instance: int, own: Mapping[str, str]) -> str:
    for ours, theirs in own.items():
        if name.startswith(ours):
            return theirs.format(instance) + name.removeprefix(ours)
    return name


def _merging_ends_a_stage(name: str) -> str:
    return re.sub(r"^layers\.(\d+)\.downsample\.", lambda found: f"layers.{int(found[1]) - 1}.downsample.", name)
