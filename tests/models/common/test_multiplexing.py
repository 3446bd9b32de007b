"""Weight multiplexing: what is shared, what is each pass's own, and that the networks are what was published."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.utils import ModelEmaV3

from models.common.multiplexing import aliases
from models.deit.multiplexed import BUCKETS, buckets
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.cost.operators import Cost
from scaler.errors import ScalerError
from scaler.results.variant import VariantInfo

SMALL = ["mini_tiny_vit_1m_32", "mini_deit_1m_patch4_32", "mini_swin_1m_patch2_32"]


def small(name: str, **overrides: Any) -> torch.nn.Module:
    """The small seed called ``name``, every parameter drawn at random so that no transformation is neutral by chance."""
    torch.manual_seed(0)
    network = timm.create_model(name, **overrides).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return network


def image(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1))


# Source: facts of the authors' code: one block run 12 times at DeiT-B's width has 8,674,408 parameters.
def test_one_block_of_deit_base_run_twelve_times() -> None:
    arch = replace(SEEDS["mini_deit_base_patch16_224"], share=12)
    assert cost_of(arch) == Cost(flops=17_711_741_952, params=8_674_408)


# Source: tensors of the authors' networks, without masks and indices: 139 in Mini-DeiT, 197 in Mini-Swin-T, 413 in S and B.
@pytest.mark.parametrize(
    ("name", "tensors"), [("mini_deit_tiny_patch16_224", 139), ("mini_swin_tiny_224", 197), ("mini_swin_small_224", 413)]
)
def test_state_dicts_hold_every_tensor_once(name: str, tensors: int) -> None:
    network = timm.create_model(name)
    state = network.state_dict()
    assert len(state) == tensors
    assert sum(value.numel() for value in state.values()) == cost_of(SEEDS[name]).params
    assert "blocks.1.attn.qkv.weight" not in state
    assert not aliases(network).keys() & state.keys()


@pytest.mark.parametrize("name", SMALL)
def test_weights_survive_a_round_trip_a_copy_and_a_prefix(name: str) -> None:
    network, x = small(name), image()
    with torch.no_grad():
        expected = network(x)
        assert not torch.allclose(expected[0], expected[1], atol=0.01)
        other = timm.create_model(name).eval()
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(x), expected)
        assert torch.equal(copy.deepcopy(network)(x), expected)
        wrapped = torch.nn.Sequential(timm.create_model(name).eval())
        wrapped.load_state_dict({f"0.{key}": value for key, value in network.state_dict().items()})
        assert torch.equal(wrapped(x), expected)
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict(dict(list(network.state_dict().items())[:-1]))


@pytest.mark.parametrize("name", SMALL)
def test_an_average_of_weights_moves_a_shared_tensor_once(name: str) -> None:
    network = small(name)
    ema = ModelEmaV3(network, decay=0.5)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    ema.update(network)
    for key, value in ema.module.state_dict().items():
        if value.is_floating_point() and "running" not in key:
            torch.testing.assert_close(value, before[key] + 0.5)


@pytest.mark.parametrize("name", SMALL)
def test_activation_checkpointing_gives_the_same_gradients(name: str) -> None:
    gradients = []
    for enabled in (False, True):
        network = small(name).train()
        network.set_grad_checkpointing(enabled)
        network(image()).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


@pytest.mark.parametrize("name", SMALL)
def test_a_pass_has_transformations_of_its_own(name: str) -> None:
    """A change to the second pass's own weights changes the output, and leaves the first pass's as they were."""
    network, x = small(name), image()
    blocks = network.blocks if "deit" in name else (network.stages[1] if "tiny" in name else network.layers[0]).blocks
    assert blocks[0].attn.qkv is blocks[1].attn.qkv
    assert blocks[0].mlp.fc1.weight is blocks[1].mlp.fc1.weight
    with torch.no_grad():
        before = network(x)
        blocks[1].attn.pre.weight.neg_()
        assert not torch.allclose(network(x), before)
    assert not torch.equal(blocks[0].attn.pre.weight, blocks[1].attn.pre.weight)


@pytest.mark.parametrize("name", SMALL)
def test_sharing_alone_equals_the_plain_network_with_tied_weights(name: str) -> None:
    """Without transformations a shared network computes what timm's does when its blocks hold equal weights."""
    mini = SEEDS[name]
    plain = SEEDS[name.removeprefix("mini_")]
    shared = build(replace(plain, share=mini.share)).eval()
    reference = build(plain).eval()
    tied = {**shared.state_dict(), **{alias: shared.state_dict()[first] for alias, first in aliases(shared).items()}}
    reference.load_state_dict(tied)
    with torch.no_grad():
        torch.testing.assert_close(shared(image()), reference(image()))


# Source: iRPE's piecewise index (alpha 1.9, beta 3.8, gamma 15.2): offsets 0, 1, 2-3, 4 and more, signed, three to either side.
def test_relative_positions_fall_into_the_published_buckets() -> None:
    found = buckets((14, 14)).view(14, 14, 14, 14)
    step = {0: 0, 1: 1, 2: 2, 3: 2} | dict.fromkeys(range(4, 14), 3)
    for query, key in [((0, 0), (0, 0)), ((5, 5), (5, 6)), ((5, 5), (3, 5)), ((13, 0), (0, 13)), ((2, 9), (5, 4))]:
        row, column = (q - k for q, k in zip(query, key, strict=True))
        expected = (np.sign(row) * step[abs(row)] + 3) * 7 + np.sign(column) * step[abs(column)] + 3
        assert found[(*query, *key)] == expected
    assert found.max() == BUCKETS - 1
    assert torch.equal(buckets((24, 24)).view(24, 24, 24, 24)[:14, :14, :14, :14], found)


def test_mini_deit_attends_as_published() -> None:
    """Against the formula, pair by pair: softmax over transformed logits, then transformed weights."""
    attention = small("mini_deit_1m_patch4_32").blocks[0].attn.double()
    x = torch.randn(1, 64, 128, dtype=torch.float64)
    query, key, value = attention.qkv(x).view(64, 3, 4, 32).permute(1, 2, 0, 3)
    logits = torch.empty(4, 64, 64, dtype=torch.float64)
    for i in range(64):
        for j in range(64):
            vector = attention.rpe_k.table[0, :, attention.rpe_k.index[i, j]]
            logits[:, i, j] = (query[:, i] * 32**-0.5 * (key[:, j] + vector)).sum(-1)
    weights = torch.einsum("gh,hij->gij", attention.pre.weight, logits).softmax(-1)
    mixed = torch.einsum("gh,hij,gjd->igd", attention.post.weight, weights, value).reshape(64, 128)
    torch.testing.assert_close(attention(x)[0], attention.proj(mixed))


def test_a_shared_shift_mask_acts_in_unshifted_passes_too() -> None:
    blocks = timm.create_model("mini_swin_1m_patch2_32").layers[0].blocks
    assert [block.shift_size for block in blocks] == [(0, 0), (2, 2)]
    assert blocks[0].attn_mask is not None
    assert torch.equal(blocks[0].attn_mask, blocks[1].attn_mask)


def test_another_input_size_keeps_sharing() -> None:
    for name in ("mini_swin_1m_patch2_32", "mini_deit_1m_patch4_32"):
        network = timm.create_model(name)
        tensors = len(network.state_dict())
        network.set_input_size(img_size=(48, 48))
        assert len(network.state_dict()) == tensors
        assert network(torch.zeros(1, 3, 48, 48)).shape == (1, 10)


def test_a_variant_of_a_multiplexed_model_is_a_folder_that_timm_opens(tmp_path: Path) -> None:
    for name in SMALL:
        target, network, folder = model_spec_of(name, SEEDS[name]), small(name), tmp_path / name
        note = VariantInfo(family=SEEDS[name].family, arch=SEEDS[name].to_dict(), seed_model=name, budget="", flops=1, params=1)
        target.write(folder, note, network.state_dict())
        opened = open_model_spec(str(folder))
        assert opened.arch == SEEDS[name]
        assert opened.count() == cost_of(SEEDS[name])
        with torch.no_grad():
            for loaded in (opened.build().eval(), timm.create_model(f"local-dir:{folder}", pretrained=True).eval()):
                assert torch.equal(loaded(image()), network(image()))


@pytest.mark.parametrize(
    ("name", "share", "message"),
    [
        ("mini_deit_tiny_patch16_224", 5, "mini_deit share = 5: 5 does not divide a depth of 12"),
        ("mini_swin_tiny_224", [2, 2, 4, 2], "4 does not divide a depth of 6"),
        ("swin_1m_patch2_32", [2, 2], "needs one entry for each stage"),
    ],
)
def test_a_depth_that_groups_do_not_divide_is_refused(name: str, share: Any, message: str) -> None:
    arch = SEEDS[name]
    with pytest.raises(ScalerError, match=message):
        type(arch).from_dict(json.loads(json.dumps({**arch.to_dict(), "share": share})))
