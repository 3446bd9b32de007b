"""What every family of architectures keeps to: `test_families` applies it to ours, `test_adding_a_family` to the docs' one."""

import copy
import json

import timm
import torch
from torch import nn

from models.zoo.families import build, family
from scaler.cost.architecture import Architecture, cost_of, parts_of
from scaler.cost.fvcore_count import count


def costs_what_fvcore_counts(arch: Architecture) -> None:
    """To the integer, FLOPs and parameters."""
    assert cost_of(arch) == count(build(arch), arch.resolution), arch


def survives_json_and_its_own_values(arch: Architecture) -> None:
    data = json.loads(json.dumps(arch.to_dict()))
    assert family(arch.family).from_dict(data) == arch
    assert arch.with_values(arch.values()).values() == arch.values()
    assert cost_of(arch.with_values(arch.values())) == cost_of(arch)


def remembers_its_segments(arch: Architecture) -> None:
    """The same objects in each call, as they hold the costs met last."""
    assert arch.segments() is arch.segments()
    assert sum(part.total[0] for part in parts_of(arch)) == cost_of(arch).flops


def is_a_network_as_timms_are(arch: Architecture) -> None:
    """Features, another head, checkpointed activations, compiled and exported graphs, lower precision."""
    torch.manual_seed(0)
    network, x = build(arch).eval(), torch.randn(2, 3, arch.resolution, arch.resolution)
    with torch.no_grad():
        expected = network(x)
        assert expected.shape == (2, arch.num_classes)
        torch.testing.assert_close(torch.compile(copy.deepcopy(network), backend="aot_eager", fullgraph=True)(x), expected)
        for dtype in (torch.bfloat16, torch.float16):
            low = copy.deepcopy(network).to(dtype)(x.to(dtype)).float()
            assert (low - expected).abs().max() < 0.05 + 0.05 * expected.abs().max()
        assert len(network.forward_intermediates(x, intermediates_only=True)) > 1
        assert len(timm.create_model(arch.timm_name, features_only=True, **arch.timm_args())(x)) > 1
    exports(network, x, expected)
    gives_the_same_gradients_checkpointed(network, x)
    network.reset_classifier(7)
    assert network(x).shape == (2, 7)


def exports(network: nn.Module, x: torch.Tensor, expected: torch.Tensor) -> None:
    """With a free batch size."""
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), expected)
        torch.testing.assert_close(program.module()(x.repeat(3, 1, 1, 1)), expected.repeat(3, 1), rtol=1e-4, atol=1e-5)


def gives_the_same_gradients_checkpointed(network: nn.Module, x: torch.Tensor) -> None:
    gradients = []
    for enabled in (False, True):
        trained = copy.deepcopy(network).train()
        trained.set_grad_checkpointing(enabled)
        torch.manual_seed(0)
        trained(x).square().sum().backward()
        gradients.append([parameter.grad for parameter in trained.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)
