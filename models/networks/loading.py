"""Weights of a variant's folder, loaded into a network of the same body."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from models.checkpoints.resize import AllowedChanges, Resizer, heads
from scaler.errors import ScalerError

# Source: MAE's main_finetune.py (He et al. 2022), for the head of a fine-tuning.
_HEAD_STD = 2e-5


def load_weights(model: nn.Module, path: Path, *, new_head: bool = False, resized: bool = False) -> None:
    """Load the file at ``path`` into ``model``.

    Args:
        new_head: see `with_new_head`.
        resized: resize tables of positions to those of ``model`` (bicubic).

    Raises:
        ScalerError: if the file is damaged or does not fit.
    """
    try:
        state = load_file(path)
        model.load_state_dict(_adapted(model, state, new_head, resized) if new_head or resized else state)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ScalerError(f"the weights in {path} do not load: {reason}; train or import them again") from error


def with_new_head(model: nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return ``state`` with a new head for the classes of ``model`` in place of its own; the draw is torch's next.

    Its weights are close to zero, so that all classes are equally probable at first. timm draws larger ones for some models:
    an EfficientNet's head begins at twice the loss of equal probabilities, which a short tuning does not undo.
    """
    own, names = model.state_dict(), heads(model)
    drawn = {name: _drawn(own[name]) for name in own if name in names}
    return {name: tensor for name, tensor in state.items() if name not in names} | drawn


def _drawn(tensor: torch.Tensor) -> torch.Tensor:
    new = torch.zeros_like(tensor)
    return nn.init.trunc_normal_(new, std=_HEAD_STD) if new.ndim > 1 else new


def _adapted(model: nn.Module, state: Mapping[str, torch.Tensor], new_head: bool, resized: bool) -> dict[str, torch.Tensor]:
    kept, own = with_new_head(model, state) if new_head else dict(state), model.state_dict()
    resize = Resizer(model, AllowedChanges(tables=resized))
    return {name: resize(name, tensor, own[name].shape) if name in own else tensor for name, tensor in kept.items()}
