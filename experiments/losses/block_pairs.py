"""The pairs of student's and teacher's blocks that weight distillation compares."""

from collections.abc import Sequence

import torch
from torch import nn

from models.networks.intermediates import Intermediates, IntermediatesExtractor, attention_stages
from scaler.errors import ScalerError

# Source: the authors' Mini-Swin: of 12 passes 1, 3, 5, 7, 9, 11 learn from 1, 3, 9, 15, 21, 23 of 24: three in a long stage.
_MOST_PER_STAGE = 3

Pair = tuple[str, str]


def match_blocks(student: Sequence[Sequence[str]], teacher: Sequence[Sequence[str]]) -> list[Pair]:
    """Return pairs (student's block, teacher's block), given the names of each network's attention blocks by stage.

    The last stages are matched with each other, then those before them, as far as both networks have some. A stage is cut into up
    to three equal parts of its depth, at most one for every two blocks of the shallower network, and the last blocks of the parts
    are paired. This is the published choice for Mini-Swin.
    """
    pairs: list[Pair] = []
    for ours, theirs in zip(reversed(student), reversed(teacher), strict=False):
        parts = max(1, min(_MOST_PER_STAGE, len(ours) // 2, len(theirs) // 2))
        pairs = [*zip(_ends(ours, parts), _ends(theirs, parts), strict=True), *pairs]
    return pairs


def _ends(names: Sequence[str], parts: int) -> list[str]:
    return [names[round(part * len(names) / parts) - 1] for part in range(1, parts + 1)]


def comparable_blocks(student: nn.Module, teacher: nn.Module, resolutions: tuple[int, int]) -> list[Pair]:
    """Return the `match_blocks` pairs whose blocks see the same windows.

    Args:
        resolutions: of the student's and the teacher's images, in pixels.

    Raises:
        ScalerError: if there is no such pair.
    """
    pairs = match_blocks(attention_stages(student), attention_stages(teacher))
    student_blocks, teacher_blocks = zip(*pairs, strict=True)
    ours = _windows(student, student_blocks, resolutions[0])
    theirs = _windows(teacher, teacher_blocks, resolutions[1])
    found = [pair for pair, own, other in zip(pairs, ours, theirs, strict=True) if own == other]
    if not found:
        (own, tokens, _), (other, other_tokens, _) = ours[-1], theirs[-1]
        raise ScalerError(
            f"no block of the student has the windows of the teacher's: the last ones have {own} of {tokens} tokens against "
            f"{other} of {other_tokens}; train at the teacher's resolution, or by a recipe without relations"
        )
    return found


def _windows(network: nn.Module, names: Sequence[str], resolution: int) -> list[tuple[int, int, int]]:
    """Return, for each named block, the windows of one image, the tokens of a window, and the tokens of the block's output."""
    inside = _intermediates(network, names, resolution)
    return [(*query.shape[:2], hidden.shape[1]) for (query, _, _), hidden in zip(inside.qkv, inside.hidden, strict=True)]


def _intermediates(network: nn.Module, names: Sequence[str], resolution: int) -> Intermediates:
    """Pass one image through ``network``, whose mode stays as it was."""
    training = network.training
    extractor = IntermediatesExtractor(network.eval(), names)
    try:
        with torch.no_grad():
            device = next(network.parameters()).device
            inside: Intermediates = extractor(torch.zeros(1, 3, resolution, resolution, device=device))
        return inside
    finally:
        extractor.release().train(training)
