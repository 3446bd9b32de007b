"""MiniViT's weight distillation: losses between the token relations of a student and a teacher.

Source: Zhang et al. 2022, section 3.3, and the losses of the authors' Mini-Swin. Relations are between tokens, so teacher and
student need the same tokens, but neither the same width nor the same number of heads.
"""

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

# Source: the authors' code multiplies by 49, the tokens of a 7 x 7 window, for maps of any size.
HIDDEN_SCALE = 49.0
# Entries of a tile of the similarity matrix: 64 MiB in float32.
TILE = 1 << 24

QKV = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def attention_relation(student: Sequence[QKV], teacher: Sequence[QKV], heads: int = 1) -> torch.Tensor:
    """Return the cross-entropy between the rows of token relations, for all nine pairings of queries, keys and values.

    A relation is softmax(S_i S_j^T / sqrt(C / heads)) over the tokens of a window. The result is the mean over layers, pairings,
    windows, heads and rows.

    Args:
        student, teacher: for each layer (query, key, value), each of shape (windows x B, N, C) with the network's own C.
        heads: number of relation heads that the channels are cut into.
    """
    losses = [
        _row_cross_entropy(s_i, s_j, t_i, t_j, heads)
        for s, t in zip(student, teacher, strict=True)
        for (s_i, s_j), (t_i, t_j) in zip(product(s, s), product(t, t), strict=True)
    ]
    return torch.stack(losses).mean()


def _row_cross_entropy(s_i: torch.Tensor, s_j: torch.Tensor, t_i: torch.Tensor, t_j: torch.Tensor, heads: int) -> torch.Tensor:
    target = _logits(t_i, t_j, heads).softmax(-1)
    return -(target * _logits(s_i, s_j, heads).log_softmax(-1)).sum(-1).mean()


def _logits(left: torch.Tensor, right: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the scaled products of all pairs of tokens, (windows x B, heads, N, N)."""
    left, right = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (left, right))
    return left @ right.transpose(-2, -1) / left.shape[-1] ** 0.5


def hidden_relation(student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], tile: int = TILE) -> torch.Tensor:
    """Return the mean squared difference of the cosine similarities of all pairs of tokens, times 49, the mean over the layers.

    A matrix (B, N, N) is never held as a whole: it is computed in tiles of rows, and computed again for the gradient.

    Args:
        student, teacher: for each layer a block's output, (B, N, C) with the network's own C.
        tile: largest number of entries of one matrix to hold at once; a tile has at least one row for each image.
    """
    return torch.stack([_hidden(s, t, tile) for s, t in zip(student, teacher, strict=True)]).mean()


def _hidden(student: torch.Tensor, teacher: torch.Tensor, tile: int) -> torch.Tensor:
    s, t = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    batch, tokens, _ = s.shape
    rows = max(1, tile // (batch * tokens))
    if rows >= tokens:
        total = _squares(s, s, t, t)
    else:
        parts = zip(s.split(rows, 1), t.split(rows, 1), strict=True)
        total = torch.stack([checkpoint(_squares, s_rows, s, t_rows, t, use_reentrant=False) for s_rows, t_rows in parts]).sum()
    return total * (HIDDEN_SCALE / (batch * tokens * tokens))


def _squares(s_rows: torch.Tensor, s: torch.Tensor, t_rows: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return (s_rows @ s.transpose(-2, -1) - t_rows @ t.transpose(-2, -1)).square().sum()
