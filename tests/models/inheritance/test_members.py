"""Members of an elastic seed: a sorted seed computes the same, members run on slices of its tensors and teach them."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from models.common.architecture import VisionTransformer
from models.inheritance.inherit import inherit_from
from models.inheritance.members import Members, member_rule, sorted_tensors
from models.inheritance.prepared_seed import at_resolution, prepare
from models.inheritance.rule import Rule
from models.zoo.families import build
from tests.models.inheritance.cases import SMALL, images, labelled, trained

# A smaller member of every family along each axis that an elastic seed has.
SMALLER: dict[str, VisionTransformer] = {
    "tiny_vit": replace(
        SMALL["tiny_vit"], embed_dims=(8, 24, 32), num_heads=(1, 3, 4), depths=(1, 3, 2), mlp_ratio=3.0, resolution=24
    ),
    "deit": replace(SMALL["deit"], embed_dim=24, num_heads=3, depth=4, resolution=24),
    "swin": replace(SMALL["swin"], embed_dim=8, num_heads=(2, 2, 4), depths=(1, 3, 2), resolution=24),
    "mini_tiny_vit": replace(SMALL["mini_tiny_vit"], embed_dims=(8, 24, 32), num_heads=(1, 3, 4), mbconv_expand_ratio=2.0),
    "mini_deit": replace(SMALL["mini_deit"], embed_dim=24, num_heads=3, depth=4),
    "mini_swin": replace(SMALL["mini_swin"], embed_dim=8, num_heads=(2, 2, 4)),
}


@cache
def sorted_network(name: str) -> nn.Module:
    """The small seed with sorted channels, without stochastic depth."""
    network = build(SMALL[name], drop_path_rate=0.0)
    network.load_state_dict(sorted_tensors(prepare(trained(name), SMALL[name], Rule(channels="taylor"), labelled())))
    return network


@pytest.mark.parametrize("name", SMALL)
def test_a_sorted_seed_computes_the_same_and_its_first_channels_are_the_most_important(name: str) -> None:
    network = sorted_network(name).eval()
    with torch.no_grad():
        torch.testing.assert_close(network(images()), trained(name)(images()), rtol=0, atol=1e-4)
    before, after = (prepare(net, SMALL[name], Rule()) for net in (trained(name), network))
    assert any(not torch.equal(tensor, after.tensors[key]) for key, tensor in before.tensors.items())
    ranked = prepare(network, SMALL[name], Rule(channels="taylor"), labelled())
    hidden = max(range(len(ranked.structure.groups)), key=lambda number: ranked.structure.groups[number].size)
    scores = ranked.scores(hidden, 1)
    assert float((scores[1:] - scores[:-1]).max()) <= 1e-4 * float(scores[0])


@pytest.mark.parametrize("name", SMALL)
def test_a_member_is_the_network_that_is_cut_and_the_full_size_the_seed_to_the_bit(name: str) -> None:
    network, seed = sorted_network(name), SMALL[name]
    members = Members(network.train(), seed)
    assert network.training
    kept = prepare(network, seed, member_rule(batch_norm=False))
    network.train()
    for arch in (SMALLER[name], seed):
        cut = inherit_from(kept, arch).network
        own = build(arch, drop_path_rate=0.0)
        own.load_state_dict(cut.state_dict())
        assert torch.equal(members(arch, images()), own.train()(at_resolution(images(), arch.resolution))), arch
    assert torch.equal(members(seed, images()), network(images()))


@pytest.mark.parametrize("name", ["tiny_vit", "mini_swin"])
def test_gradients_of_members_add_up_in_the_first_channels_of_the_shared_tensors(name: str) -> None:
    network, seed, arch = sorted_network(name).train(), SMALL[name], SMALLER[name]
    members = Members(network, seed)
    network.zero_grad()
    members(arch, images()).square().sum().backward()
    stem = next(iter(network.parameters()))
    alone = {key: parameter.grad.clone() for key, parameter in network.named_parameters() if parameter.grad is not None}
    width = members.tensors(arch)[next(iter(dict(network.named_parameters())))].shape[0]
    assert width < len(stem)
    assert stem.grad is not None
    assert bool(stem.grad[:width].ne(0).any())
    assert not bool(stem.grad[width:].any())
    members(seed, images()).square().sum().backward()
    assert bool(stem.grad[width:].any())
    head = next(key for key in reversed(alone) if key.endswith("weight"))
    assert not torch.equal(dict(network.named_parameters())[head].grad, alone[head])
    dropped = [key for key, parameter in network.named_parameters() if key not in alone]
    assert name == "mini_swin" or any(".blocks." in key for key in dropped)  # blocks that the member lacks
