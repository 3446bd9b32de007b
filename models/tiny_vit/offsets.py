"""Tables of the offsets inside windows, computed once for each window: in timm every block does it in Python, for 0.01 s."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from timm.models.tiny_vit import Attention


@contextmanager
def offsets_once() -> Iterator[None]:
    """Let timm compute the table of a window once, for all blocks that are built inside this context."""
    compute, known = Attention._init_buffers, dict[tuple[int, ...], torch.Tensor]()

    def copy_known(block: Attention) -> None:
        if block.resolution not in known:
            compute(block)
            known[block.resolution] = block.attention_bias_idxs
        block.attention_bias_idxs.copy_(known[block.resolution])
        block.attention_bias_cache = {}

    Attention._init_buffers = copy_known
    try:
        yield
    finally:
        Attention._init_buffers = compute
