"""The groups of channels that a pass over labels finds."""

import copy
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import nn

from models.inheritance.structure import Group, Structure, structure_of
from models.networks.intermediates import IntermediatesExtractor, attention_stages
from models.zoo.families import build
from scaler.errors import ScalerError
from tests.models.inheritance.cases import SMALL, images, trained


def structure(name: str) -> Structure:
    return structure_of(build(SMALL[name]), (3, 32, 32))


def units(found: Structure, name: str, dim: int) -> list[int]:
    return found.at[name, dim][1].units.tolist()


@pytest.mark.parametrize("name", SMALL)
def test_every_dimension_of_every_layer_and_norm_is_in_one_group(name: str) -> None:
    """What is left are kernels, positions, buckets and counters."""
    found = structure(name)
    for key, shape in found.shapes.items():
        for dim in range(len(shape)):
            is_place = dim > 1 or key.endswith(("token", "pos_embed", "attention_biases", "table"))
            is_depthwise = dim == 1 and shape[1:2] == (1,) and len(shape) == 4
            assert (key, dim) in found.at or is_place or is_depthwise, (key, dim)


@pytest.mark.parametrize("name", SMALL)
def test_heads_are_what_the_known_layouts_say(name: str) -> None:
    """Source: `models.networks.intermediates`, which reads queries, keys and values head by head or one after the other."""
    found, network = structure(name), trained(name)
    for block in (block for stage in attention_stages(network) for block in stage):
        if f"{block}.attn.qkv.weight" not in found.shapes:
            continue  # shared with another block
        heads = network.get_submodule(block).attn.num_heads
        rows = torch.tensor(units(found, f"{block}.attn.qkv.weight", 0))
        layout = IntermediatesExtractor(network, [])._layout
        for part in layout(rows[None, None], heads):
            assert part.flatten().tolist() == sorted([*range(heads)] * (part.numel() // heads))
        assert units(found, f"{block}.attn.qkv.bias", 0) == rows.tolist()
        assert units(found, f"{block}.attn.proj.weight", 1) == sorted([*range(heads)] * (len(rows) // 3 // heads))


def permuted(network: nn.Module, found: Structure, groups: Iterable[tuple[Group, int]]) -> nn.Module:
    """A copy of ``network`` whose units are in another order, in every tensor that a group indexes."""
    twin, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    state = twin.state_dict()
    for group, number in groups:
        order = torch.randperm(group.size, generator=generator)
        tables = [site for site, at in found.in_heads.items() if at == number]
        for name, dim, positions in [*((m.name, m.dim, m.positions) for m in group.members), *((*site, None) for site in tables)]:
            entries = torch.empty(state[name].shape[dim], dtype=torch.long)
            if positions is None:
                entries = order
            else:
                entries[positions.flatten()] = positions[order].flatten()
            state[name] = state[name].index_select(dim, entries)
    twin.load_state_dict(state)
    return twin.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_another_order_of_units_changes_no_output(name: str) -> None:
    """All groups but pixels and classes; so every tensor that holds a unit is among the group's members."""
    found, network = structure(name), copy.deepcopy(trained(name)).double().eval()
    outer = {found.at[site][0] for site in found.at if site in OUTER}
    x = images().double()
    units = [(group, -1) for number, group in enumerate(found.groups) if number not in outer]
    with torch.no_grad():
        torch.testing.assert_close(permuted(network, found, units)(x), network(x), rtol=1e-9, atol=1e-9)
        for single in units:
            twin = permuted(network, found, [single])
            assert any(not torch.equal(a, b) for a, b in zip(twin.parameters(), network.parameters(), strict=True))
            torch.testing.assert_close(twin(x), network(x), rtol=1e-9, atol=1e-9)


OUTER = {
    ("patch_embed.conv1.conv.weight", 1), ("patch_embed.proj.weight", 1), ("head.fc.weight", 0), ("head.weight", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_another_order_inside_all_heads_changes_no_output(name: str) -> None:
    """The same order for queries, keys, values and relative positions."""
    found, network = structure(name), copy.deepcopy(trained(name)).double().eval()
    heads = {found.at[site][0] for site in found.at if site[0].endswith("qkv.weight") and site[1] == 0}
    widths = {number: min(m.positions.shape[1] for m in found.groups[number].members if "proj" in m.name) for number in heads}
    inside = [(found.groups[number].inside(widths[number]), number) for number in heads]
    assert {group.size for group, _ in inside} <= {4, 8}
    with torch.no_grad():
        x = images().double()
        torch.testing.assert_close(permuted(network, found, inside)(x), network(x), rtol=1e-9, atol=1e-9)


def test_a_swin_merges_four_neighbours_of_the_stage_before() -> None:
    found = structure("swin")
    assert units(found, "layers.1.downsample.norm.weight", 0) == [*range(16)] * 4
    assert units(found, "layers.1.downsample.reduction.weight", 1) == [*range(16)] * 4
    stream = found.at["layers.0.blocks.1.mlp.fc2.weight", 0][0]
    assert found.at["layers.1.downsample.norm.bias", 0][0] == stream == found.at["patch_embed.proj.weight", 0][0]
    assert found.at["layers.1.downsample.reduction.weight", 0][0] != stream
    wide = found.at["layers.2.downsample.reduction.weight", 0][0]  # as wide as what the first merging reads
    assert found.at["layers.1.downsample.norm.bias", 0][0] != wide


def test_a_stages_stream_is_one_group_and_inner_channels_are_groups_of_their_own() -> None:
    found = structure("tiny_vit")
    number = {site: group for site, (group, _) in found.at.items()}
    stream = number["stages.1.downsample.conv3.conv.weight", 0]
    for block in range(4):
        prefix = f"stages.1.blocks.{block}"
        for leaf, dim in [("attn.norm.weight", 0), ("attn.qkv.weight", 1), ("attn.proj.bias", 0), ("mlp.fc2.weight", 0)]:
            assert number[f"{prefix}.{leaf}", dim] == stream
        for leaf in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"):
            assert number[f"{prefix}.local_conv.{leaf}", 0] == stream
    hidden = {number[f"stages.1.blocks.{block}.mlp.fc1.weight", 0] for block in range(4)}
    assert len(hidden | {stream}) == 5
    inner = number["stages.0.blocks.0.conv1.conv.weight", 0]
    assert inner == number["stages.0.blocks.0.conv2.bn.running_var", 0] == number["stages.0.blocks.0.conv3.conv.weight", 1]
    assert inner != number["stages.0.blocks.1.conv1.conv.weight", 0] != number["stages.0.blocks.0.conv3.conv.weight", 0]
    assert number["stages.0.blocks.1.conv3.bn.bias", 0] == number["patch_embed.conv2.conv.weight", 0]
    assert found.folded["stages.0.blocks.0.conv2.conv.weight"] == "stages.0.blocks.0.conv2.bn"


def test_tables_and_transformations_go_by_heads() -> None:
    tiny, swin, deit = structure("mini_tiny_vit"), structure("mini_swin"), structure("mini_deit")
    heads = tiny.at["stages.1.blocks.0.attn.qkv.weight", 0][0]
    own = [("attn.pre.weight", 0), ("attn.pre.weight", 1), ("attn.pre.bias", 0), ("attn.post.weight", 0)]
    for block, (leaf, dim) in ((block, site) for block in (0, 1) for site in own):  # the second shares the first one's heads
        assert tiny.at[f"stages.1.blocks.{block}.{leaf}", dim][0] == heads
    assert tiny.at["stages.1.blocks.0.attn.attention_biases", 0][0] == heads
    assert (
        swin.at["layers.0.blocks.0.attn.relative_position_bias_table", 1][0]
        == swin.at["layers.0.blocks.0.attn.proj.weight", 1][0]
    )
    assert deit.in_heads["blocks.1.attn.rpe_k.table", 1] == deit.at["blocks.0.attn.qkv.weight", 0][0]


def test_places_of_a_table_are_no_channels_even_of_a_single_head() -> None:
    arch = replace(SMALL["swin"], num_heads=(1, 4, 8))
    found, table = structure_of(build(arch), (3, 32, 32)), "layers.0.blocks.0.attn.relative_position_bias_table"
    assert (table, 0) not in found.at
    assert found.at[table, 1][0] == found.at["layers.0.blocks.0.attn.qkv.bias", 0][0]


def test_tokens_positions_and_norms_of_a_deit_are_one_stream() -> None:
    found = structure("deit")
    assert len({found.at[site][0] for site in [("cls_token", 2), ("pos_embed", 2), ("norm.weight", 0), ("head.weight", 1)]}) == 1


def test_a_network_is_traced_without_a_change() -> None:
    for name in SMALL:
        network = build(SMALL[name])
        before = {key: value.clone() for key, value in network.state_dict().items()}
        structure_of(network, (3, 32, 32))
        assert network.training
        torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
        other = build(SMALL[name]).eval()
        other.load_state_dict(before)
        with torch.no_grad():
            x = torch.ones(1, 3, 32, 32)
            assert torch.equal(network.eval()(x), other(x))
        structure_of(network, (3, 32, 32))
        assert not network.training
        with torch.no_grad():
            assert torch.equal(network(x), other(x))


def test_what_cannot_be_traced_is_refused() -> None:
    with pytest.raises(ScalerError, match=r"0\.weight: a convolution in 2 groups is neither dense nor depthwise"):
        structure_of(nn.Sequential(nn.Conv2d(4, 8, 1, groups=2)), (4, 8, 8))

    class Computed(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.conv2d(x, self.weight - self.weight.mean(), self.bias)

    with pytest.raises(ScalerError, match="computes a layer's weights on the way"):
        structure_of(Computed(3, 8, 1), (3, 8, 8))


def test_scales_and_unknown_families_need_no_description() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.gate, self.down = nn.Linear(6, 20), nn.Linear(6, 20), nn.Linear(20, 6)
            self.gamma = nn.Parameter(torch.ones(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.movedim(1, -1)
            return x + self.gamma * self.down(self.up(x) * nn.functional.silu(self.gate(x)))

    found = structure_of(Gated(), (6, 4, 4))
    number = {site: group for site, (group, _) in found.at.items()}
    assert number["up.weight", 0] == number["gate.bias", 0] == number["down.weight", 1]
    assert number["gamma", 0] == number["up.weight", 1] == number["down.bias", 0] != number["down.weight", 1]


def test_tokens_that_a_layer_reads_side_by_side_have_the_same_channels() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.up, self.down = nn.Parameter(torch.zeros(1, 1, 9)), nn.Linear(6, 9), nn.Linear(9, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.down(torch.cat([self.token, self.up(x.flatten(2).transpose(1, 2))], dim=1))

    found = structure_of(Tokens(), (6, 2, 2))
    assert found.at["token", 2][0] == found.at["up.weight", 0][0] == found.at["down.weight", 1][0]
