"""Weights of a variant's folder, loaded into a network of the same body."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from models.checkpoints.resize import AllowedChanges, Resizer, heads
from scaler.errors import ScalerError


def load_weights(model: nn.Module, path: Path, *, new_head: bool = False, resized: bool = False) -> None:
    """Load the file at ``path`` into ``model``.

    Args:
        new_head: keep the head of ``model``.
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


def keep_own_head(model: nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return ``state`` with the head of ``model`` in place of its own: as timm draws it where ``model`` is new."""
    own = model.state_dict()
    kept = heads(model) & own.keys()
    return {name: tensor for name, tensor in state.items() if name not in heads(model)} | {name: own[name] for name in kept}


def _adapted(model: nn.Module, state: Mapping[str, torch.Tensor], new_head: bool, resized: bool) -> dict[str, torch.Tensor]:
    kept, own = keep_own_head(model, state) if new_head else dict(state), model.state_dict()
    resize = Resizer(model, AllowedChanges(tables=resized))
    return {name: resize(name, tensor, own[name].shape) if name in own else tensor for name, tensor in kept.items()}
