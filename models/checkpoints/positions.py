"""Weights that fit a network by their order alone."""

from collections.abc import Mapping

import torch

from scaler.errors import ScalerError

State = Mapping[str, torch.Tensor]


def rename_by_position(tensors: State, own: State, name: str) -> dict[str, torch.Tensor]:
    """Return ``tensors`` under the names of ``own``, the n-th under the n-th name.

    The number of tensors must agree, and for each the last part of its name (``weight``, ``running_mean``) and its number of
    dimensions; shapes are left to `models.checkpoints.fitting`. This does not prove that tensors of equal shape are in the same
    order.

    Args:
        name: the network's name in messages.

    Raises:
        ScalerError: with the first tensor that does not agree.
    """
    if len(tensors) != len(own):
        raise ScalerError(f"--by-position: the file has {len(tensors)} tensors and {name} has {len(own)}: they must agree")
    for (key, tensor), (own_name, like) in zip(tensors.items(), own.items(), strict=True):
        if tensor.ndim != like.ndim or _leaf(key) != _leaf(own_name):
            places = f"{key} of the file ({tensor.ndim} dimensions) is at the place of {own_name} ({like.ndim}) in {name}"
            raise ScalerError(f"--by-position: {places}: names must end alike and dimensions agree")
    return dict(zip(own, tensors.values(), strict=True))


def _leaf(name: str) -> str:
    return name.rpartition(".")[2].strip("_")
