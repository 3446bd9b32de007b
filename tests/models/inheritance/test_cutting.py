"""What is taken is taken as it is: rows of heads, slices of norms, offsets of windows, and nothing that counts is lost."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.inheritance.inherit import inherit
from models.inheritance.rule import Rule
from models.networks.intermediates import IntermediatesExtractor
from tests.models.inheritance.cases import SMALL, images, labelled, trained


def strided(size: int, keep: int) -> torch.Tensor:
    return torch.arange(keep) * size // keep


def cut(name: str, rule: Rule | None = None, calibration: Any = None, **changes: Any) -> nn.Module:
    arch = replace(SMALL[name], **changes)
    return inherit(trained(name), SMALL[name], arch, rule or Rule(channels="stride", depth="first"), calibration).network.eval()


# For each family: a block, its heads and stream, and an architecture with half of the heads, each as wide as before.
NARROW: list[tuple[str, str, int, int, dict[str, Any]]] = [
    ("tiny_vit", "stages.2.blocks.1", 6, 48, {"embed_dims": (16, 32, 24), "num_heads": (2, 4, 3)}),
    ("deit", "blocks.3", 6, 48, {"embed_dim": 24, "num_heads": 3}),
    ("swin", "layers.2.blocks.1", 8, 64, {"embed_dim": 8, "num_heads": (2, 2, 4)}),
]


@pytest.mark.parametrize(("name", "block", "heads", "width", "changes"), NARROW)
def test_queries_keys_and_values_of_a_kept_head_are_the_seeds(
    name: str, block: str, heads: int, width: int, changes: dict[str, Any]
) -> None:
    small, network = cut(name, **changes), trained(name)
    kept, stream = strided(heads, heads // 2), strided(width, width // 2)
    layout = IntermediatesExtractor(network, [])._layout
    for leaf in ("weight", "bias"):
        before, after = (getattr(net.get_submodule(block).attn.qkv, leaf).detach() for net in (network, small))
        before = before[:, stream] if leaf == "weight" else before
        for theirs, ours in zip(layout(before.movedim(0, -1), heads), layout(after.movedim(0, -1), heads // 2), strict=True):
            expected = theirs.unflatten(-1, (heads, -1))[..., kept, :].flatten(-2)
            assert torch.equal(ours, expected)
    proj, own = network.get_submodule(block).attn.proj.weight, small.get_submodule(block).attn.proj.weight
    assert torch.equal(own, proj[stream].unflatten(1, (heads, -1))[:, kept].flatten(1))


@pytest.mark.parametrize(("name", "block", "heads", "width", "changes"), NARROW)
def test_narrower_heads_keep_the_same_channels_of_query_key_and_value(
    name: str, block: str, heads: int, width: int, changes: dict[str, Any]
) -> None:
    """The same widths, but all heads with half of their channels."""
    half = changes | {"num_heads": SMALL[name].num_heads}
    small, network, stream = cut(name, **half), trained(name), strided(width, width // 2)
    layout = IntermediatesExtractor(network, [])._layout
    before, after = (net.get_submodule(block).attn.qkv.weight.detach() for net in (network, small))
    for theirs, ours in zip(layout(before[:, stream].T, heads), layout(after.T, heads), strict=True):
        assert torch.equal(ours, theirs.unflatten(-1, (heads, -1))[..., strided(8, 4)].flatten(-2))


def test_relative_keys_follow_narrower_heads() -> None:
    small = cut("mini_deit", embed_dim=24)
    before, after = (net.blocks[1].attn.rpe_k.table for net in (trained("mini_deit"), small))
    assert torch.equal(after, before[:, strided(8, 4)])


def test_head_transforms_are_cut_by_rows_and_columns() -> None:
    small = cut("mini_swin", embed_dim=8, num_heads=(2, 2, 4))
    before, after = (net.layers[2].blocks[1].attn.pre for net in (trained("mini_swin"), small))
    kept = strided(8, 4)
    assert torch.equal(after.weight, before.weight[kept][:, kept])
    assert torch.equal(after.bias, before.bias[kept])


def test_depthwise_convolutions_and_batch_norms_take_the_channels_of_their_stream() -> None:
    small, network = cut("tiny_vit", mbconv_expand_ratio=2.0, embed_dims=(8, 16, 24), num_heads=(1, 2, 3)), trained("tiny_vit")
    hidden, stream = strided(64, 16), strided(32, 16)
    for path, kept in [("stages.0.blocks.1.conv2", hidden), ("stages.1.blocks.2.local_conv", stream)]:
        before, after = network.get_submodule(path), small.get_submodule(path)
        assert torch.equal(after.conv.weight, before.conv.weight[kept])
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            assert torch.equal(getattr(after.bn, leaf), getattr(before.bn, leaf)[kept])
    norm = small.stages[1].blocks[2].mlp.norm
    assert torch.equal(norm.weight, network.stages[1].blocks[2].mlp.norm.weight[stream])


def test_merged_neighbours_are_cut_alike() -> None:
    small, network = cut("swin", embed_dim=8, num_heads=(2, 2, 4)), trained("swin")
    before, after = (net.layers[1].downsample for net in (network, small))
    kept = torch.cat([part * 16 + strided(16, 8) for part in range(4)])
    assert torch.equal(after.norm.weight, before.norm.weight[kept])
    assert torch.equal(after.reduction.weight, before.reduction.weight[strided(32, 16)][:, kept])


def biases(attention: Any, name: str) -> torch.Tensor:
    """(heads, N, N): what is added to the logits of every pair of tokens."""
    table = (
        attention.attention_biases[:, attention.attention_bias_idxs] if name == "tiny_vit" else attention._get_rel_pos_bias()[0]
    )
    return table.detach()


@pytest.mark.parametrize(
    ("name", "block", "changes"),
    [
        ("tiny_vit", "stages.1.blocks.0", {"window_sizes": (4, 3, 2)}),
        ("swin", "layers.0.blocks.1", {"window_size": (3, 4, 3)}),
    ],
)
def test_a_smaller_window_keeps_the_bias_of_every_offset(name: str, block: str, changes: dict[str, Any]) -> None:
    """A window of 3 is a corner of one of 4, and so are the pairs in it. Resizing stretches offsets instead."""
    corner = torch.arange(16).view(4, 4)[:3, :3].flatten()
    before = biases(trained(name).get_submodule(block).attn, name)[:, corner][:, :, corner]
    assert torch.equal(biases(cut(name, **changes).get_submodule(block).attn, name), before)
    stretched = cut(name, Rule(windows="resize"), **changes)
    assert not torch.equal(biases(stretched.get_submodule(block).attn, name), before)


def test_at_another_resolution_windows_are_resized_unless_cropping_is_asked_for() -> None:
    changes: dict[str, Any] = {"window_sizes": (4, 3, 2), "resolution": 24}
    auto, crop, resize = (
        cut("tiny_vit", Rule(windows=rule), **changes).stages[1].blocks[0].attn.attention_biases
        for rule in ("auto", "crop", "resize")
    )
    assert torch.equal(auto, resize)
    assert not torch.equal(crop, resize)
    table = trained("tiny_vit").stages[1].blocks[0].attn.attention_biases
    expected = torch.nn.functional.interpolate(table.view(1, 4, 4, 4), size=(3, 3), mode="bicubic").view(4, 9)
    assert torch.equal(resize, expected)


def test_a_larger_window_is_resized_whatever_the_rule() -> None:
    table = cut("swin", Rule(windows="crop"), window_size=(6, 4, 3)).layers[0].blocks[0].attn.relative_position_bias_table
    assert table.shape == (121, 4)
    assert table.isfinite().all()


def test_absolute_positions_are_resampled_and_the_class_tokens_kept() -> None:
    before, after = trained("deit").pos_embed, cut("deit", resolution=48).pos_embed
    assert after.shape == (1, 37, 48)
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.equal(
        cut("mini_deit", resolution=48).blocks[0].attn.rpe_k.table, trained("mini_deit").blocks[0].attn.rpe_k.table
    )


def silenced(name: str) -> nn.Module:
    """The seed in float64 with every other head and hidden channel set to zero, in all tensors that hold it."""
    network = copy.deepcopy(trained(name)).double().eval()
    with torch.no_grad():
        for path, module in network.named_modules():
            if path.endswith(".attn"):
                _silence_heads(module, IntermediatesExtractor(network, [])._layout)
            if path.endswith("mlp"):
                for tensor in (module.fc1.weight, module.fc1.bias, module.fc2.weight.T):
                    tensor[1::2] = 0
            if hasattr(module, "conv3") and "blocks" in path:
                for tensor in (module.conv1.bn.weight, module.conv1.bn.bias, module.conv2.bn.weight, module.conv2.bn.bias):
                    tensor[1::2] = 0
                for tensor in (module.conv1.conv.weight, module.conv2.conv.weight, module.conv3.conv.weight.transpose(0, 1)):
                    tensor[1::2] = 0
    return network


def _silence_heads(attention: Any, layout: Any) -> None:
    heads = attention.num_heads
    rows = layout(torch.arange(len(attention.qkv.weight))[None, None], heads)
    for part in rows:
        gone = part.flatten().unflatten(0, (heads, -1))[1::2].flatten()
        attention.qkv.weight[gone], attention.qkv.bias[gone] = 0, 0
    attention.proj.weight.unflatten(1, (heads, -1))[:, 1::2] = 0


@pytest.mark.parametrize("channels", ["l2", "activation", "taylor"])
@pytest.mark.parametrize("name", ["tiny_vit", "deit", "swin"])
def test_hidden_channels_that_do_nothing_are_left_out_and_outputs_stay(name: str, channels: str) -> None:
    """Exact but for rounding: half of all hidden channels are silent, and half are cut."""
    network = silenced(name)
    data = [(batch.double(), classes) for batch, classes in labelled()]
    found = inherit(network, SMALL[name], replace(SMALL[name], **HALVED[name]), Rule(channels=channels), data).network.eval()
    with torch.no_grad():
        torch.testing.assert_close(found(images().double()), network(images().double()), rtol=1e-9, atol=1e-9)
    before, after = (net.get_submodule(_BLOCK[name]).mlp.fc1.bias for net in (network, found))
    assert torch.equal(after, before[::2])


HALVED: dict[str, dict[str, Any]] = {
    "tiny_vit": {"mlp_ratio": 2.0, "mbconv_expand_ratio": 2.0},
    "deit": {"mlp_ratio": 2.0},
    "swin": {"mlp_ratio": (2.0, 1.5, 1.0)},
}
_BLOCK = {"tiny_vit": "stages.1.blocks.0", "deit": "blocks.0", "swin": "layers.0.blocks.0"}


@pytest.mark.parametrize("channels", ["l2", "activation", "taylor"])
@pytest.mark.parametrize(("name", "block", "heads", "width", "changes"), NARROW)
def test_heads_that_do_nothing_are_the_ones_left_out(
    name: str, block: str, heads: int, width: int, changes: dict[str, Any], channels: str
) -> None:
    """Heads cannot be cut without the stream; so the cut heads' rows tell which ones stayed."""
    network = silenced(name)
    data = [(batch.double(), classes) for batch, classes in labelled()]
    found = inherit(network, SMALL[name], replace(SMALL[name], **changes), Rule(channels=channels), data).network
    layout = IntermediatesExtractor(network, [])._layout
    before, after = (net.get_submodule(block).attn.qkv.bias.detach() for net in (network, found))
    for theirs, ours in zip(layout(before, heads), layout(after, heads // 2), strict=True):
        assert torch.equal(ours, theirs.unflatten(0, (heads, -1))[::2].flatten())
