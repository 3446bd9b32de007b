"""Which block of the teacher a block of the student is compared with."""

from collections.abc import Sequence

import torch
from torch import nn

from models.networks.intermediates import Intermediates, IntermediatesExtractor, attention_stages
from scaler.errors import ScalerError

# Source: the authors' Mini-Swin: of 12 passes 1, 3, 5, 7, 9, 11 are taught by 1, 3, 9, 15, 21, 23 of 24: three in a long stage.
_MOST_PER_STAGE = 3

Pair = tuple[str, str]


def match_blocks(student: Sequence[Sequence[str]], teacher: Sequence[Sequence[str]]) -> list[Pair]:
    """Pairs (student's block, teacher's block) from the names of each network's attention blocks, stage by stage.

    The last stages belong together, then those before them, as far as both have some. In each, the ends of up to three equal
    parts of its depth are paired, one for every two blocks of the shallower. This is the published choice for Mini-Swin.
    """
    pairs: list[Pair] = []
    for ours, theirs in zip(reversed(student), reversed(teacher), strict=False):
        parts = max(1, min(_MOST_PER_STAGE, len(ours) // 2, len(theirs) // 2))
        pairs = [*zip(_ends(ours, parts), _ends(theirs, parts), strict=True), *pairs]
    return pairs


def _ends(names: Sequence[str], parts: int) -> list[str]:
    return [names[round(part * len(names) / parts) - 1] for part in range(1, parts + 1)]


def comparable_blocks(student: nn.Module, teacher: nn.Module, sides: tuple[int, int]) -> list[Pair]:
    """The `match_blocks` pairs whose blocks see the same windows, as an image of each side (student's, teacher's) shows.

    Raises:
        ScalerError: there is none.
    """
    pairs = match_blocks(attention_stages(student), attention_stages(teacher))
    seen = [_look(net, names, side) for net, names, side in zip((student, teacher), zip(*pairs, strict=True), sides, strict=True)]
    windows = [[(*query.shape[:2], hidden.shape[1]) for (query, _, _), hidden in zip(s.qkv, s.hidden, strict=True)] for s in seen]
    found = [pair for pair, ours, theirs in zip(pairs, *windows, strict=True) if ours == theirs]
    if not found:
        (ours, tokens, _), (theirs, others, _) = windows[0][-1], windows[1][-1]
        raise ScalerError(
            f"no block of the student has the windows of the teacher's: the last ones have {ours} of {tokens} tokens against "
            f"{theirs} of {others}; train at the teacher's resolution, or by a recipe without relations"
        )
    return found


def _look(model: nn.Module, names: Sequence[str], side: int) -> Intermediates:
    """One image through ``model``, which is left as it was."""
    training = model.training
    observed = IntermediatesExtractor(model.eval(), names)
    try:
        with torch.no_grad():
            inside: Intermediates = observed(torch.zeros(1, 3, side, side, device=next(model.parameters()).device))
        return inside
    finally:
        observed.release().train(training)
