"""Sharded training, PyTorch's FSDP2: each process keeps a part of every parameter, of its gradient and of its optimizer state.

A block's parameters are brought together while it runs. What is written is whole: ordinary tensors, named and numbered as
without sharding, so that either kind of training goes on from the other's checkpoint, in any number of processes.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def sharded(model: nn.Module, device: torch.device) -> nn.Module:
    """A copy of ``model`` on ``device``, split among all processes."""
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    copy = deepcopy(model)
    for unit in _units(copy):
        fully_shard(unit, mesh=mesh)
    fully_shard(copy, mesh=mesh)
    return copy


def _units(model: nn.Module) -> list[list[nn.Module]]:
    """Blocks, each by itself; those that share parameters, as a multiplexed network's consecutive passes do, together."""
    units: list[list[nn.Module]] = []
    for name, module in model.named_modules():
        if not name.rpartition(".")[0].endswith("blocks"):
            continue
        if units and not set(units[-1][0].parameters()).isdisjoint(module.parameters()):
            units[-1].append(module)
        else:
            units.append([module])
    return units


def whole(value: Any, *, keep: bool = True) -> Any:
    """``value``, a tensor or dicts of some, with what is split put together on the processor. All processes must call it.

    Without ``keep`` this process takes part and keeps nothing.
    """
    if isinstance(value, dict):
        return {key: whole(part, keep=keep) for key, part in value.items()}
    if not isinstance(value, DTensor):
        return value
    full = value.full_tensor()
    return full.cpu() if keep else full.new_empty(0)


def split(values: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Whole ``values`` laid out and split as the ``parts`` of their names are."""
    return {name: _like(parts.get(name), value) for name, value in values.items()}


def split_states(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The whole ``state`` of an optimizer, laid out and split as the parameters of ``optimizer`` are.

    A fused update takes parameter and moments from memory side by side and does not look at their strides.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states = {n: {name: _like(parameters[n], value) for name, value in of.items()} for n, of in state["state"].items()}
    return {**state, "state": states}


def _like(part: Any, value: torch.Tensor) -> torch.Tensor:
    """Values of no parameter's shape, as counts of steps, stay whole."""
    if part is None or part.shape != value.shape:
        return value
    if isinstance(part, DTensor):  # each process has read the whole and takes its part
        return distribute_tensor(value.contiguous(), part.device_mesh, part.placements, src_data_rank=None)
    return torch.empty_like(part, dtype=value.dtype, device=value.device).copy_(value)
