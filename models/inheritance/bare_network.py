"""Networks built without random weights, for those that get other weights at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from models.common.architecture import VisionTransformer
from models.tiny_vit.offsets import offsets_once
from models.zoo.families import build

# The functions that PyTorch's and timm's initializations spend their time in. Whatever else these do is cheap, and constant
# values (zeros, ones, identities, tables of indices) are filled in as ever.
_NORMAL = (torch.Tensor.normal_, nn.init.normal_)
_LEFT_OUT = (torch.Tensor.uniform_, nn.init.uniform_, nn.init.kaiming_uniform_, torch.Tensor.erfinv_)


def bare_network(arch: VisionTransformer, **overrides: Any) -> nn.Module:
    """Build the network of ``arch`` with any values in place of random ones; ``overrides`` go to timm's constructor."""
    with torch.random.fork_rng(devices=[]), WithoutDraws(), offsets_once():
        return build(arch, **overrides)


class WithoutDraws(TorchFunctionMode):
    """Leave tensors as they are where random values would be drawn into them; a context manager.

    Normal values become zeros: PyTorch draws those of a truncated distribution again until all are in the range.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func not in (*_NORMAL, *_LEFT_OUT):
            return func(*args, **given)
        tensor = args[0] if args else given["tensor"]
        if func in _NORMAL:
            tensor.detach().zero_()
        return tensor
