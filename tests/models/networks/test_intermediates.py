"""Named intermediates of every family, of multiplexed networks pass by pass, and which blocks of two networks belong together."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from experiments.losses.block_pairs import comparable_blocks, match_blocks
from models.networks.intermediates import IntermediatesExtractor, attention_stages
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError

SMALL = ("tiny_vit_1m_32", "deit_1m_patch4_32", "swin_1m_patch2_32")
MINIS = ("mini_tiny_vit_1m_32", "mini_deit_1m_patch4_32", "mini_swin_1m_patch2_32")
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(SEEDS[name]).eval()


def attended(block: Any, qkv: Any) -> torch.Tensor:
    """What a plain attention makes of its queries, keys and values."""
    heads = block.attn.num_heads
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in qkv)
    logits = query @ key.transpose(-2, -1) * block.attn.scale
    if hasattr(block.attn, "attention_biases"):
        logits = logits + block.attn.attention_biases[:, block.attn.attention_bias_idxs]
    if hasattr(block.attn, "relative_position_bias_table"):
        logits = logits + block.attn._get_rel_pos_bias()
    return block.attn.proj((logits.softmax(-1) @ value).transpose(1, 2).flatten(-2))


@pytest.mark.parametrize("name", SMALL)
def test_queries_keys_and_values_give_the_attentions_output(name: str) -> None:
    """In the first block of the last stage: a wrong layout of the projection's rows would show."""
    model = network(name)
    if hasattr(model, "cls_token"):  # it takes part in attention and is left out of what is returned
        model = build_without_class_token()
    block = attention_stages(model)[-1][0]
    outputs: list[torch.Tensor] = []
    model.get_submodule(block).attn.register_forward_hook(lambda module, args, output: outputs.append(output))
    with torch.no_grad():
        inside = IntermediatesExtractor(model, [block])(IMAGES)
        torch.testing.assert_close(attended(model.get_submodule(block), inside.qkv[0]), outputs[0], atol=1e-5, rtol=1e-4)


def build_without_class_token() -> nn.Module:
    plain = {"class_token": False, "global_pool": "avg"}
    return timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=4, depth=2, **plain).eval()


@pytest.mark.parametrize("name", MINIS)
def test_every_pass_of_a_shared_block_has_its_own(name: str) -> None:
    model = network(name)
    names = [block for stage in attention_stages(model) for block in stage]
    fired: dict[str, torch.Tensor] = {}
    for block in names:
        model.get_submodule(block).attn.register_forward_pre_hook(
            lambda module, args, block=block: fired.update(
                {block: module.qkv(args[0] if "deit" in name or "swin" in name else module.norm(args[0]))}
            )
        )
    with torch.no_grad():
        inside = IntermediatesExtractor(model, names)(IMAGES)
    assert len(names) == len(inside.qkv) == len({float(hidden.sum()) for hidden in inside.hidden})
    for block, qkv in zip(names, inside.qkv, strict=True):
        assert float(torch.cat(qkv, -1).double().sum()) == pytest.approx(float(fired[block].double().sum()), abs=1e-3)


def test_activation_checkpointing_gives_the_same_gradients_and_keeps_nothing() -> None:
    found = []
    for checkpointing in (False, True):
        model = network("mini_deit_1m_patch4_32").train()
        model.set_grad_checkpointing(checkpointing)
        observed = IntermediatesExtractor(model, ["blocks.1", "blocks.5"])
        inside = observed(IMAGES)
        (inside.output.sum() + sum(x.square().mean() for qkv in inside.qkv for x in qkv)).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        assert observed._rows == observed._hidden == {}
    torch.testing.assert_close(*found)


def test_a_released_network_is_as_it_was() -> None:
    model = network("swin_1m_patch2_32")
    before = model(IMAGES)
    observed = IntermediatesExtractor(model, ["layers.0.blocks.1"])
    assert torch.equal(observed(IMAGES).output, before)
    observed.release()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def stages(*depths: int) -> list[list[str]]:
    return [[f"{i}.{j}" for j in range(depth)] for i, depth in enumerate(depths)]


def numbered(pairs: list[tuple[str, str]], student: list[list[str]], teacher: list[list[str]]) -> tuple[list[int], list[int]]:
    ours, theirs = ([name for stage in net for name in stage] for net in (student, teacher))
    return [ours.index(a) for a, _ in pairs], [theirs.index(b) for _, b in pairs]


def test_layers_are_matched_as_published() -> None:
    # Source: the README's commands of Mini-Swin: layers of Swin-B for Mini-Swin-T, -S and -B.
    tiny, base = stages(2, 2, 6, 2), stages(2, 2, 18, 2)
    assert numbered(match_blocks(tiny, base), tiny, base) == ([1, 3, 5, 7, 9, 11], [1, 3, 9, 15, 21, 23])
    assert numbered(match_blocks(base, base), base, base) == ([1, 3, 9, 15, 21, 23],) * 2


def test_depths_and_numbers_of_stages_may_differ() -> None:
    assert match_blocks(stages(1), stages(12)) == [("0.0", "0.11")]
    assert match_blocks(stages(4, 2), stages(2, 2, 2)) == [("0.3", "1.1"), ("1.1", "2.1")]


def test_blocks_with_other_windows_are_left_out() -> None:
    """A TinyViT's map of 14 is one window, a Swin's four; elsewhere both have windows of 7."""
    student = timm.create_model("tiny_vit_5m_224", num_classes=10)
    teacher = timm.create_model("swin_tiny_patch4_window7_224", num_classes=10)
    assert comparable_blocks(student, teacher, (224, 224)) == [
        ("stages.1.blocks.1", "layers.1.blocks.1"),
        ("stages.3.blocks.1", "layers.3.blocks.1"),
    ]
    assert student.training


def test_a_class_token_is_no_token_of_the_image() -> None:
    pairs = comparable_blocks(network("mini_deit_1m_patch4_32"), network("deit_1m_patch4_32"), (32, 32))
    assert pairs == [("blocks.1", "blocks.1"), ("blocks.3", "blocks.3"), ("blocks.5", "blocks.5")]


def test_networks_that_share_no_window_or_have_none_are_refused() -> None:
    with pytest.raises(
        ScalerError, match=r"no block of the student has the windows of the teacher's: the last ones have 1 of 64"
    ):
        comparable_blocks(network("deit_1m_patch4_32"), network("swin_1m_patch2_32"), (32, 32))
    with pytest.raises(
        ScalerError, match="ResNet: queries, keys and values are known of VisionTransformer, SwinTransformer, TinyV"
    ):
        attention_stages(timm.create_model("resnet18"))
