"""Every smaller architecture takes weights from a seed of its family; the seed itself takes all of them."""

from dataclasses import fields, replace
from itertools import product
from typing import Any

import pytest
import torch

from models.common.architecture import VisionTransformer
from models.inheritance.inherit import inherit, inherit_from
from models.inheritance.prepared_seed import prepare
from models.inheritance.report import summary
from models.inheritance.rule import CHANNELS, DEPTHS, Rule
from scaler.cost.architecture import cost_of
from scaler.cost.fvcore_count import count
from scaler.errors import ScalerError
from tests.models.inheritance.cases import SMALL, images, labelled, smaller, trained


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_full_size_gives_the_seeds_logits_bit_for_bit(name: str) -> None:
    seed, network = SMALL[name], trained(name)
    with torch.no_grad():
        expected = network(images())
        for channels, depth in product(CHANNELS, DEPTHS):
            rule = Rule(channels=channels, depth=depth, std_correction=True)
            found = inherit(network, seed, seed, rule, labelled())
            assert torch.equal(found.network.eval()(images()), expected), rule
            assert {row.action for row in found.report} == {"kept"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_random_smaller_architectures_are_built_run_and_cost_what_they_should(name: str) -> None:
    seed = prepare(trained(name), SMALL[name], Rule())
    for arch in smaller(name, 30):
        found = inherit_from(seed, arch)
        with torch.no_grad():
            assert found.network.eval()(images(2, arch.resolution)).isfinite().all()
        assert count(found.network, arch.resolution) == cost_of(arch)
        shapes = [(name, tuple(tensor.shape)) for name, tensor in found.network.state_dict().items()]
        assert [(row.name, row.shape) for row in found.report] == shapes


@pytest.mark.parametrize("name", ["tiny_vit", "deit", "swin"])
def test_a_plain_seed_feeds_the_multiplexed_form(name: str) -> None:
    """Transformations alone are new, and the last layer, where its classes are others."""
    seed = prepare(trained(name), SMALL[name], Rule(channels="activation"), [images()])
    for arch in smaller(f"mini_{name}", 10):
        found = inherit_from(seed, arch)
        with torch.no_grad():
            assert found.network.eval()(images(2, arch.resolution)).isfinite().all()
        new = {row.name for row in found.report if row.action == "new"}
        own = ("attn.pre.", "attn.post.", "rpe_k", "local_norm", *(["local_conv"] if name == "swin" else []))
        head = ("head.",) if arch.num_classes != SMALL[name].num_classes else ()
        assert all(any(part in key for part in (*own, *head)) for key in new)


@pytest.mark.parametrize("channels", CHANNELS)
def test_one_prepared_seed_gives_what_single_calls_give(channels: str) -> None:
    rule, arch = Rule(channels=channels, depth="similarity"), smaller("swin", 1)[0]
    seed = prepare(trained("swin"), SMALL["swin"], rule, labelled())
    inherit_from(seed, smaller("swin", 2)[1])
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found, again = inherit_from(seed, arch), inherit(trained("swin"), SMALL["swin"], arch, rule, labelled())
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(found.network.state_dict(), again.network.state_dict(), rtol=0, atol=0)
    assert found.report == again.report


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_stays_as_it_is(name: str) -> None:
    network = trained(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    rule = Rule(channels="taylor", depth="similarity", std_correction=True, batch_norm=True)
    found = inherit(network, SMALL[name], smaller(name, 1)[0], rule, labelled())
    with torch.no_grad():
        for parameter in found.network.parameters():
            parameter.zero_()
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_report_names_what_happened() -> None:
    arch = replace(SMALL["tiny_vit"], depths=(1, 4, 1), share=(1, 2, 1), window_sizes=(4, 3, 5), num_classes=7)
    found = inherit(trained("tiny_vit"), SMALL["tiny_vit"], arch, Rule(depth="first"))
    rows = {row.name: row for row in found.report}
    assert rows["patch_embed.conv1.conv.weight"].action == "kept"
    assert rows["stages.1.blocks.0.attn.qkv.weight"].action == "averaged"
    assert rows["stages.1.blocks.2.attn.qkv.weight"].sources == tuple(f"stages.1.blocks.{i}.attn.qkv.weight" for i in (2, 3))
    assert rows["stages.1.blocks.1.attn.norm.weight"].action == "kept"
    table = rows["stages.2.blocks.0.attn.attention_biases"]
    assert (table.action, table.shape, table.seed_shape) == ("resized", (6, 25), (6, 9))
    assert (rows["head.fc.weight"].action, rows["head.fc.weight"].seed_shape) == ("new", None)
    assert summary(found.report).endswith("2 new")
    assert "1 resized" in summary(found.report)


def test_a_new_head_starts_with_zero_biases_and_small_weights() -> None:
    found = inherit(trained("deit"), SMALL["deit"], replace(SMALL["deit"], num_classes=7)).network
    assert not found.head.bias.any()
    assert 0 < found.head.weight.abs().max() < 0.2


def _mini(name: str, **changes: Any) -> VisionTransformer:
    plain = SMALL[name]
    kind: Any = type(SMALL[f"mini_{name}"])
    return kind(**{field.name: getattr(plain, field.name) for field in fields(plain)} | changes)  # type: ignore[no-any-return]


def test_neutral_transformations_keep_a_tiny_vits_outputs() -> None:
    found = inherit(trained("tiny_vit"), SMALL["tiny_vit"], _mini("tiny_vit")).network.eval()
    with torch.no_grad():
        torch.testing.assert_close(found(images()), trained("tiny_vit")(images()), rtol=1e-4, atol=1e-5)


def test_neutral_transformations_keep_what_a_deit_gives_without_its_class_token() -> None:
    import timm

    seed = SMALL["deit"]
    classless = {"class_token": False, "global_pool": "avg", "fc_norm": False}
    plain = timm.create_model(seed.timm_name, **seed.timm_args(), **classless).eval()
    state = dict(trained("deit").state_dict())
    state["pos_embed"] = state["pos_embed"][:, 1:]
    plain.load_state_dict({name: tensor for name, tensor in state.items() if name != "cls_token"})
    found = inherit(trained("deit"), seed, _mini("deit")).network.eval()
    with torch.no_grad():
        torch.testing.assert_close(found(images()), plain(images()), rtol=1e-4, atol=1e-5)


def test_a_shared_tensor_is_the_mean_of_the_blocks_that_it_replaces() -> None:
    plain = trained("deit").state_dict()
    found = inherit(trained("deit"), SMALL["deit"], _mini("deit", share=2)).network
    mean = (plain["blocks.2.attn.qkv.weight"] + plain["blocks.3.attn.qkv.weight"]) / 2
    torch.testing.assert_close(found.blocks[3].attn.qkv.weight.detach(), mean)
    torch.testing.assert_close(found.blocks[3].norm1.weight.detach(), plain["blocks.3.norm1.weight"])


def test_blocks_that_share_no_longer_start_alike() -> None:
    found = inherit(trained("mini_deit"), SMALL["mini_deit"], replace(SMALL["mini_deit"], share=1)).network.eval()
    assert torch.equal(found.blocks[0].mlp.fc1.weight, found.blocks[1].mlp.fc1.weight)
    with torch.no_grad():
        assert torch.equal(found(images()), trained("mini_deit")(images()))


def _refused(seed: str, arch: VisionTransformer, message: str) -> None:
    with pytest.raises(ScalerError, match=message):
        inherit(trained(seed), SMALL[seed], arch)


def test_another_family_is_refused() -> None:
    _refused("deit", SMALL["swin"], "family = swin: weights of a deit seed fit deit and its multiplexed form alone")
    _refused("mini_deit", SMALL["deit"], "family = deit: weights of a mini_deit seed")


@pytest.mark.parametrize(
    ("seed", "changes", "message"),
    [
        ("deit", {"depth": 7}, r"depth = 7 \(the seed: 6\): blocks would have 7 of the seed's 6 blocks"),
        ("deit", {"embed_dim": 96, "num_heads": 12}, r"embed_dim = 96 \(the seed: 48\)"),
        ("deit", {"mlp_ratio": 5.0}, r"mlp_ratio = 5.0 \(the seed: 4.0\): blocks.0.mlp.fc1.* 240 of the seed's 192"),
        ("deit", {"num_heads": 12}, r"head_dim = 4 \(the seed: 8\): blocks.0.attn.qkv.* 12 of the seed's 6"),
        ("deit", {"num_heads": 3}, "head_dim = 16: the seed's heads have 8 channels"),
        ("deit", {"patch_size": 4}, "patch_size = 4: the seed has 8"),
        ("swin", {"depths": (2, 4, 3)}, r"depths\[2\] = 3 \(the seed: 2\)"),
        ("swin", {"in_chans": 1}, "in_chans = 1: the seed has 3"),
        ("tiny_vit", {"mbconv_expand_ratio": 4.5}, r"mbconv_expand_ratio = 4.5 \(the seed: 4.0\)"),
        ("tiny_vit", {"embed_dims": (16, 32, 56), "num_heads": (2, 4, 7)}, r"embed_dims\[2\] = 56 \(the seed: 48\)"),
        (
            "tiny_vit",
            {"embed_dims": (16, 32), "depths": (2, 4), "num_heads": (2, 4), "window_sizes": (4, 4), "share": ()},
            "stages = 2: the seed has 3",
        ),
    ],
)
def test_more_than_the_seed_has_is_refused_by_the_axis(seed: str, changes: dict[str, Any], message: str) -> None:
    _refused(seed, replace(SMALL[seed], **changes), message)


def test_a_greater_ratio_of_a_smaller_width_may_still_fit() -> None:
    arch = replace(SMALL["deit"], embed_dim=24, num_heads=3, mlp_ratio=8.0)
    row = {row.name: row for row in inherit(trained("deit"), SMALL["deit"], arch).report}["blocks.0.mlp.fc1.weight"]
    assert (row.shape, row.seed_shape) == ((192, 24), (192, 48))


def test_a_network_of_another_architecture_is_refused() -> None:
    with pytest.raises(ScalerError, match=r"the seed's network is not of the architecture given: blocks.0.mlp.fc1.bias"):
        inherit(trained("deit"), replace(SMALL["deit"], mlp_ratio=2.0), SMALL["deit"])
