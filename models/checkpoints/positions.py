"""Weights that fit a network by their order alone."""

from collections.abc import Mapping

import torch

from models.checkpoints.resize import size
from scaler.errors import ScalerError

State = Mapping[str, torch.Tensor]


def rename_by_position(tensors: State, own: State, name: str) -> dict[str, torch.Tensor]:
    """Return ``tensors`` under the names of ``own``, the n-th under the n-th name.

    The numbers of tensors, the last parts of the names (``weight``, ``running_mean``) and the shapes must agree. This does not
    prove that tensors of equal shape are in the same order.

    Args:
        name: the network's name in messages.

    Raises:
        ScalerError: with the first tensor that does not agree.
    """
    if len(tensors) != len(own):
        raise ScalerError(f"--by-position: the file has {len(tensors)} tensors and {name} has {len(own)}: they must agree")
    for (key, tensor), (own_name, like) in zip(tensors.items(), own.items(), strict=True):
        if tensor.shape != like.shape or _leaf(key) != _leaf(own_name):
            raise ScalerError(
                f"--by-position: {key} of the file is {size(tensor.shape)} and {own_name}, at its place in {name}, is "
                f"{size(like.shape)}: names must end alike and shapes agree"
            )
    return dict(zip(own, tensors.values(), strict=True))


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]
