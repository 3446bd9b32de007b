"""Sharded training by PyTorch's FSDP2: each process keeps a part of every parameter, of its gradient and optimizer state.

FSDP2 gathers a block's parameters while the block runs. Checkpoints hold full tensors, named and numbered as without sharding, so
that sharded and unsharded trainings resume from each other's checkpoints, in any number of processes.

`torch.distributed.checkpoint.state_dict` is not used: it names the parameters in an optimizer's state by their modules, where
checkpoints number them as the optimizer itself does, and it does not restore a parameter's memory layout.
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
    """Return a copy of ``model`` on ``device``, sharded over all processes."""
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    copy = deepcopy(model)
    for unit in _units(copy):
        fully_shard(unit, mesh=mesh)
    fully_shard(copy, mesh=mesh)
    return copy


def _units(model: nn.Module) -> list[list[nn.Module]]:
    """Return the modules to shard together: single blocks, or consecutive blocks that share parameters (multiplexed networks)."""
    units: list[list[nn.Module]] = []
    for name, module in model.named_modules():
        if not name.rpartition(".")[0].endswith("blocks"):
            continue
        if units and not set(units[-1][0].parameters()).isdisjoint(module.parameters()):
            units[-1].append(module)
        else:
            units.append([module])
    return units


def full_state(value: Any, *, keep: bool = True) -> Any:
    """Return ``value``, a tensor or nested dicts of tensors, with sharded tensors gathered on the processor.

    All processes must call it. A process that passes ``keep=False`` takes part and gets empty tensors.
    """
    if isinstance(value, dict):
        return {key: full_state(part, keep=keep) for key, part in value.items()}
    if not isinstance(value, DTensor):
        return value
    full = value.full_tensor()
    return full.cpu() if keep else full.new_empty(0)


def split_state(values: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return full ``values``, each sharded and laid out in memory like the tensor of its name in ``parts``."""
    return {name: _like(parts.get(name), value) for name, value in values.items()}


def split_optimizer_state(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the full ``state`` of an optimizer, sharded and laid out in memory like the parameters of ``optimizer``.

    A fused update reads a parameter and its moments side by side from memory and ignores their strides.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states = {n: {name: _like(parameters[n], value) for name, value in of.items()} for n, of in state["state"].items()}
    return {**state, "state": states}


def _like(part: Any, value: torch.Tensor) -> torch.Tensor:
    """Return ``value`` laid out like ``part``; unchanged if their shapes differ, as those of step counts do."""
    if part is None or part.shape != value.shape:
        return value
    if isinstance(part, DTensor):  # each process has read the full tensor and takes its part
        return distribute_tensor(value.contiguous(), part.device_mesh, part.placements, src_data_rank=None)
    return torch.empty_like(part, dtype=value.dtype, device=value.device).copy_(value)
