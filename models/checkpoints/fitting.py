"""Fit a checkpoint's tensors into a network, strictly; tables and heads are resized on request alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from models.checkpoints.layouts import Layout, layouts
from models.checkpoints.resize import IN_1K, IN_22K, AllowedChanges, Resizer, heads, position_table, size
from scaler.errors import ScalerError

State = Mapping[str, torch.Tensor]
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class FittedState:
    """A state dict for the network, the layout it came in, and one line for each tensor that was changed."""

    state: dict[str, torch.Tensor]
    layout: str
    changed: list[str]


def fit(network: nn.Module, tensors: State, changes: AllowedChanges, name: str) -> FittedState:
    """Return a state dict for ``network`` from ``tensors`` in whichever layout fits their names best.

    Every tensor of the network must be there with its shape, and nothing else but buffers that follow from the architecture
    (window masks, position indices): those are checked and left out, as the network computes its own.

    Args:
        name: the network's name in messages.

    Raises:
        ScalerError: if tensors are missing, unknown, or of another shape or kind; each is named as in the file.
    """
    own = network.state_dict()
    layout = _nearest(layouts(network), own, tensors)
    keys = {n: layout.key(n) for n in own}
    derived = {layout.key(n): buffer for n, buffer in network.named_buffers(remove_duplicate=False) if n not in own}
    resized = Resizer(network, changes)
    state = {n: resized(n, _flat(n, tensors[key]), own[n].shape) for n, key in keys.items() if key in tensors}
    wrong = {keys[n]: own[n] for n, tensor in state.items() if not _alike(tensor, own[n])}
    wrong |= {k: buffer for k, buffer in derived.items() if k in tensors and not _follows(tensors[k], buffer, changes)}
    missing, extra = set(keys.values()) - tensors.keys(), tensors.keys() - keys.values() - derived.keys()
    if missing or extra or wrong:
        shapes = [f"{key} is {_described(tensors[key])} and should be {_described(like)}" for key, like in wrong.items()]
        said = [_listed("missing", missing), _listed("unknown", extra), _listed("of another shape or kind", shapes)]
        way_out = _way_out(network, layout, tensors, {} if missing or extra else wrong, derived)
        raise ScalerError(
            f"the checkpoint does not fit {name} ({layout.name} layout): {'; '.join(filter(None, said))}: {way_out}"
        )
    return FittedState(state={n: t.to(own[n].dtype) for n, t in state.items()}, layout=layout.name, changed=resized.done)


def _nearest(known: list[Layout], own: State, tensors: State) -> Layout:
    """Return the layout whose keys differ least from those of ``tensors``."""
    return min(known, key=lambda layout: len({layout.key(name) for name in own} ^ tensors.keys()))


def _flat(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a head transform that is stored as a 1x1 convolution (Mini-DeiT) as (heads, heads), other tensors unchanged."""
    written = name.endswith(("attn.pre.weight", "attn.post.weight")) and tensor.shape[2:] == (1, 1)
    return tensor[:, :, 0, 0] if written else tensor


def _alike(tensor: torch.Tensor, own: torch.Tensor) -> bool:
    return tensor.shape == own.shape and tensor.is_floating_point() == own.is_floating_point()


def _follows(found: torch.Tensor, buffer: torch.Tensor, changes: AllowedChanges) -> bool:
    """Return True if a derived buffer has the network's shape or, where tables may be resized, that of another window."""
    if changes.tables:
        return found.ndim == buffer.ndim and found.shape[-1] == found.shape[-2]
    return found.shape == buffer.shape


def _way_out(network: nn.Module, layout: Layout, tensors: State, wrong: State, explained: State) -> str:
    """Return the options that make the checkpoint fit.

    Args:
        wrong: tensors of another shape; empty if others are missing or unknown.
        explained: buffers whose shapes follow from tables.
    """
    head = {layout.key(name) for name in heads(network)} & wrong.keys()
    tables = {key for key in wrong if position_table(key, network)}
    if not wrong or wrong.keys() - head - tables - explained.keys():
        alike = not wrong and len(tensors) == len(network.state_dict())
        by_position = "; --by-position takes the tensors in their order" if alike else ""
        return f"check that --model names the model that the file was saved from{by_position}"
    hints = [_other_head(len(tensors[key]), len(wrong[key])) for key in sorted(head)[:1]]
    return "; ".join(hints + ["--resolution with the model's resolution has tables of positions resized"] * bool(tables))


def _other_head(before: int, after: int) -> str:
    keep = f"--num-classes {before} keeps the file's head"
    if (before, after) == (IN_22K, IN_1K):
        return f"{keep}; --class-map FILE selects from it: for each class its row or -1, as in the authors' imagenet_1kto22k.txt"
    return f"{keep}; --num-classes {after} puts zeros in its place, to be trained"


def _listed(what: str, names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f", ... ({len(listed)} in all)" if len(listed) > _SHOWN else ""
    return f"{what} {', '.join(listed[:_SHOWN])}{more}" if listed else ""


def _described(tensor: torch.Tensor) -> str:
    return size(tensor.shape) + ("" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}")
