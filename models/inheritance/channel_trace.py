"""One forward pass that finds out which entries of which tensors are the same channel.

The network runs on labels in place of numbers: every channel that a layer writes gets a label of its own, and whatever joins two
channels (an addition, a norm, a product of queries and keys) notes that their labels belong together. Reshaping, transposing,
rolling and concatenating move labels as they move numbers, so windows, merged neighbours and the rows of fused projections need
no description. The labels that belong together are one channel, or one attention head.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from models.common.multiplexing import HeadTransform
from models.inheritance.label_functions import ACTIVATIONS, LAYERS
from models.inheritance.labels import ChannelLabels, is_labelled


class _OnLabels(TorchFunctionMode):
    """Answers the functions that are called inside with labels."""

    def __init__(self, labels: ChannelLabels) -> None:
        super().__init__()
        self.labels = labels

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in LAYERS:
            return LAYERS[name](self.labels, *args, **(kwargs or {}))
        if name == "__get__":  # an attribute, such as shape
            return func(*args, **(kwargs or {}))
        args, kwargs = self.labels.of(args), {key: self.labels.of(value) for key, value in (kwargs or {}).items()}
        if name in ACTIVATIONS and any(map(is_labelled, args[:2])):
            return ACTIVATIONS[name](self.labels, *args, **kwargs)
        return func(*args, **kwargs)


def trace_channels(network: nn.Module, image: tuple[int, int, int]) -> ChannelLabels:
    """Run ``network``, in eval mode, on the labels of one image (channels, rows, columns); its weights stay as they are.

    Raises:
        ScalerError: the network has a layer whose channels cannot be traced.
    """
    training = network.training
    labels = ChannelLabels(network)
    pixels = labels.fresh(image[0]).view(1, -1, 1, 1).expand(1, *image)
    with torch.no_grad(), _OnLabels(labels):
        network.eval()(pixels)
    network.train()  # clears the tables that timm keeps in eval mode
    if not training:
        network.eval()
    for name, module in network.named_modules():
        if isinstance(module, HeadTransform):  # it mixes heads and keeps their order: rows and columns are the same heads
            labels.join(labels.sites[f"{name}.weight", 0], labels.sites[f"{name}.weight", 1])
    return labels
