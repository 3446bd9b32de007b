"""Criteria, depth, corrections, and what they refuse."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.inheritance.correction import output_moments, renew_batch_norms
from models.inheritance.criteria import CRITERIA
from models.inheritance.depth import block_distances, even, first, most_different
from models.inheritance.inherit import inherit, inherit_from
from models.inheritance.prepared_seed import prepare
from models.inheritance.report import ACTIONS, action_of
from models.inheritance.rule import CHANNELS, Rule
from models.inheritance.selection import best
from scaler.errors import ScalerError, UnknownNameError
from tests.models.inheritance.cases import SMALL, images, labelled, trained


def seed_by(name: str, rule: Rule, calibration: Any = None) -> Any:
    return prepare(trained(name), SMALL[name], rule, labelled() if calibration is None else calibration)


def test_every_rule_by_name_has_a_criterion() -> None:
    assert tuple(CRITERIA) == CHANNELS


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown rule for channels 'l1': did you mean 'l2'"):
        Rule(channels="l1")
    with pytest.raises(UnknownNameError, match="unknown rule for windows"):
        Rule(windows="pad")


@pytest.mark.parametrize(
    ("rule", "choice"),
    [
        (Rule(channels="activation"), "channels = activation"),
        (Rule(depth="similarity"), "depth = similarity"),
        (Rule(std_correction=True), "std_correction"),
        (Rule(batch_norm=True), "batch_norm"),
    ],
)
def test_rules_that_need_images_say_so(rule: Rule, choice: str) -> None:
    with pytest.raises(ScalerError, match=f"inheritance by {choice} needs calibration images"):
        inherit(trained("deit"), SMALL["deit"], SMALL["deit"], rule)


def test_taylor_needs_classes() -> None:
    with pytest.raises(ScalerError, match="channels = taylor needs classes"):
        inherit(trained("deit"), SMALL["deit"], SMALL["deit"], Rule(channels="taylor"), [images()])


def test_the_best_units_stay_in_order_and_the_first_of_equals() -> None:
    assert best([torch.tensor([1.0, 5, 3, 5]), torch.tensor([0.0, 0, 9, 0])], 2).tolist() == [1, 2]
    assert best([torch.zeros(4)], 2).tolist() == [0, 1]


def number_of(seed: Any, name: str, dim: int) -> int:
    return int(seed.structure.at[name, dim][0])


def test_l2_is_the_norm_of_writing_and_reading_weights_each_layer_alike() -> None:
    seed, network = seed_by("deit", Rule()), trained("deit")
    found = seed.scores(number_of(seed, "blocks.1.mlp.fc1.weight", 0), 96)
    mlp = network.blocks[1].mlp
    norms = [mlp.fc1.weight.norm(dim=1), mlp.fc2.weight.norm(dim=0)]
    torch.testing.assert_close(found.float(), sum(n / n.mean() for n in norms).detach(), rtol=1e-4, atol=1e-5)


def test_l2_folds_batch_norms() -> None:
    seed, block = seed_by("tiny_vit", Rule()), trained("tiny_vit").stages[0].blocks[1]
    found = seed.scores(number_of(seed, "stages.0.blocks.1.conv1.conv.weight", 0), 32)
    fused = [block.conv1.fuse().weight.flatten(1).norm(dim=1), block.conv2.fuse().weight.flatten(1).norm(dim=1)]
    norms = [*fused, block.conv3.fuse().weight.flatten(1).norm(dim=0)]
    torch.testing.assert_close(found.float(), sum(n / n.mean() for n in norms).detach(), rtol=1e-4, atol=1e-5)


def test_activation_is_the_norm_over_images_of_means_over_tokens() -> None:
    seed, network = seed_by("swin", Rule(channels="activation"), [images(2), images(3)]), trained("swin")
    block, seen = network.layers[0].blocks[1], []
    handles = [
        layer.register_forward_pre_hook(lambda _, args: seen.append(args[0])) for layer in (block.attn.proj, block.mlp.fc2)
    ]
    with torch.no_grad():
        network(images(2))
        network(images(3))
    for handle in handles:
        handle.remove()
    taken = [
        torch.cat([x.abs().reshape(batch, -1, x.shape[-1]).mean(1) for x, batch in zip(seen[i::2], (2, 3), strict=True)])
        for i in (0, 1)
    ]
    hidden = seed.scores(number_of(seed, "layers.0.blocks.1.mlp.fc1.weight", 0), 8)
    torch.testing.assert_close(hidden.float(), taken[1].norm(dim=0))
    heads = seed.scores(number_of(seed, "layers.0.blocks.1.attn.qkv.weight", 0), 2)
    torch.testing.assert_close(heads.float(), taken[0].norm(dim=0).unflatten(0, (4, -1)).norm(dim=1))


def test_activation_of_a_stream_sums_over_the_outputs_of_all_norms() -> None:
    seed, network, seen = seed_by("deit", Rule(channels="activation"), [images(2)]), trained("deit"), []
    norms = [module for name, module in network.named_modules() if isinstance(module, nn.LayerNorm) and name != "norm"]
    handles = [norm.register_forward_hook(lambda _, args, out: seen.append(out.abs().mean(1).norm(dim=0))) for norm in norms]
    with torch.no_grad():
        last = network.forward_features(images(2))[:, 0].abs().norm(dim=0)  # of which the head reads the class token
    for handle in handles:
        handle.remove()
    found = seed.scores(number_of(seed, "norm.weight", 0), 24)
    torch.testing.assert_close(found.float(), torch.stack([*seen, last]).sum(0), rtol=1e-4, atol=1e-5)


def test_taylor_is_the_first_order_change_of_the_loss() -> None:
    seed, network = seed_by("deit", Rule(channels="taylor")), copy.deepcopy(trained("deit"))
    (batch, classes), mlp = labelled()[0], network.blocks[2].mlp
    torch.nn.functional.cross_entropy(network(batch), classes).backward()
    up, bias, down = ((tensor * tensor.grad).abs().detach() for tensor in (mlp.fc1.weight, mlp.fc1.bias, mlp.fc2.weight))
    found = seed.scores(number_of(seed, "blocks.2.mlp.fc1.weight", 0), 24)
    torch.testing.assert_close(found.float(), up.sum(1) + bias + down.sum(0), rtol=1e-4, atol=1e-7)


def test_taylor_sums_the_gradients_of_all_batches() -> None:
    pairs = [(images(4)[half], torch.tensor([0, 1])) for half in (slice(2), slice(2, 4))]
    network = copy.deepcopy(trained("tiny_vit"))
    for batch, classes in pairs:
        network.train().eval()
        torch.nn.functional.cross_entropy(network(batch), classes).backward()
    name = "stages.1.blocks.0.attn.attention_biases"
    table = network.get_parameter(name)
    seed = seed_by("tiny_vit", Rule(channels="taylor"), pairs)
    assert table.grad is not None
    torch.testing.assert_close(seed.criterion._changes[name], (table * table.grad).abs().detach(), rtol=1e-4, atol=1e-9)


def test_taylor_is_the_same_in_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(images(5), torch.arange(5))]
    whole = seed_by("deit", Rule(channels="taylor"), pairs).criterion._changes
    monkeypatch.setattr("models.inheritance.criteria._AT_ONCE", 2)
    parts = seed_by("deit", Rule(channels="taylor"), pairs).criterion._changes
    for name, change in whole.items():
        torch.testing.assert_close(parts[name], change, rtol=1e-3, atol=1e-7)


def test_taylor_takes_a_teachers_probabilities() -> None:
    targets = torch.softmax(torch.randn(2, 10, generator=torch.Generator().manual_seed(0)), 1)
    arch = replace(SMALL["deit"], mlp_ratio=2.0)
    found = [
        inherit(trained("deit"), SMALL["deit"], arch, Rule(channels="taylor"), [(images(), given)]).network.blocks[0].mlp.fc1.bias
        for given in (targets, torch.tensor([0, 1]))
    ]
    assert not torch.equal(*found)


def test_blocks_that_become_one_are_ranked_together() -> None:
    """By the sum of their scores; the transformations of every pass are cut as the shared heads are."""
    seed, network = seed_by("mini_deit", Rule()), trained("mini_deit")
    arch = replace(SMALL["mini_deit"], share=6, embed_dim=24, num_heads=3, mlp_ratio=4.0)
    found = inherit_from(seed, arch).network
    firsts = [0, 2, 4]  # of the seed's passes over each block
    kinds = {leaf: [number_of(seed, f"blocks.{i}.{leaf}.weight", 0) for i in firsts] for leaf in ("attn.qkv", "mlp.fc1")}
    hidden, heads = (
        best([seed.scores(number, keep) for number in kinds[leaf]], keep) for leaf, keep in [("mlp.fc1", 96), ("attn.qkv", 3)]
    )
    assert any(best([seed.scores(number, 96)], 96).tolist() != hidden.tolist() for number in kinds["mlp.fc1"])
    mean = torch.stack([network.blocks[i].mlp.fc1.bias[hidden] for i in firsts]).mean(0)
    assert torch.equal(found.blocks[0].mlp.fc1.bias, mean)
    for ours, theirs in zip(found.blocks, network.blocks, strict=True):
        assert torch.equal(ours.attn.pre.weight, theirs.attn.pre.weight[heads][:, heads])


def test_blocks_that_stay() -> None:
    assert first(6, 2) == [0, 1]
    assert even(18, 6) == [2, 5, 8, 11, 14, 17]
    assert even(7, 3) == [1, 3, 6]
    assert even(5, 5) == [0, 1, 2, 3, 4]
    assert most_different([0.3, 0.1, 0.5, 0.1], 3) == [0, 1, 2]


def test_a_block_that_hands_on_its_input_is_left_out_first() -> None:
    network = copy.deepcopy(trained("deit"))
    with torch.no_grad():
        for part in (network.blocks[2].attn.proj, network.blocks[2].mlp.fc2):
            for parameter in part.parameters():
                parameter.zero_()
    assert block_distances(network, ["blocks"], [images()])["blocks"][2] == pytest.approx(0, abs=1e-12)
    rule = Rule(depth="similarity")
    found = inherit(network, SMALL["deit"], replace(SMALL["deit"], depth=5), rule, [images()]).network.eval()
    with torch.no_grad():
        torch.testing.assert_close(found(images()), network(images()))


def ratios(found: Any, seeds: dict[str, Any], batch: torch.Tensor, parts: int) -> list[float]:
    """Of every layer: the standard deviation of its outputs over that of the seed's first channels."""
    sources = {row.name: row.sources[0] for row in found.report if row.sources}
    listed = []
    for layer, moments in output_moments(found.network, batch).items():
        like = seeds[sources[layer]]
        runs = parts if layer.endswith("qkv.weight") else 1  # of queries, keys and values each the first
        rows = torch.arange(len(like.mean)).view(runs, -1)[:, : len(moments.mean) // runs].flatten()
        listed.append(moments.std() / like.std(rows))
    return listed


@pytest.mark.parametrize(
    ("name", "parts", "changes"),
    [
        ("tiny_vit", 1, {"embed_dims": (8, 16, 24), "num_heads": (1, 2, 3), "depths": (1, 2, 2), "share": ()}),
        ("deit", 3, {"embed_dim": 24, "num_heads": 3, "depth": 3}),
        ("mini_swin", 3, {"embed_dim": 8, "num_heads": (2, 2, 4), "depths": (1, 2, 2), "share": (1, 2, 2)}),
    ],
)
def test_corrected_layers_have_the_seeds_standard_deviation(name: str, parts: int, changes: dict[str, Any]) -> None:
    rule, arch, batch = Rule(channels="first", depth="first", std_correction=True), replace(SMALL[name], **changes), images(4)
    seeds = output_moments(trained(name), batch)
    found = inherit(trained(name), SMALL[name], arch, rule, [batch])
    assert max(abs(ratio - 1) for ratio in ratios(found, seeds, batch, parts)) < 1e-4
    plain = inherit(trained(name), SMALL[name], arch, replace(rule, std_correction=False))
    assert max(abs(ratio - 1) for ratio in ratios(plain, seeds, batch, parts)) > 0.05


def test_renewed_batch_norms_have_the_statistics_of_all_batches() -> None:
    network = copy.deepcopy(trained("tiny_vit"))
    norm, seen = network.patch_embed.conv1.bn, []
    handle = norm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    renew_batch_norms(network, [images(2), images(2) + 1])
    handle.remove()
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0), rtol=1e-4, atol=1e-6)
    assert (norm.momentum, norm.training, network.training) == (0.1, False, False)


def test_a_rule_may_ask_for_batch_norms() -> None:
    arch = replace(SMALL["tiny_vit"], mlp_ratio=2.0)
    cut, renewed = (
        inherit(trained("tiny_vit"), SMALL["tiny_vit"], arch, Rule(batch_norm=asked), [images(8)]).network
        for asked in (False, True)
    )
    means = [network.stages[1].blocks[0].local_conv.bn.running_mean for network in (cut, renewed)]
    assert not torch.equal(*means)
    assert torch.equal(cut.patch_embed.conv1.conv.weight, renewed.patch_embed.conv1.conv.weight)


def test_calibration_images_of_another_size_are_brought_to_the_seeds() -> None:
    arch = replace(SMALL["deit"], resolution=48)
    found = inherit(trained("deit"), SMALL["deit"], arch, Rule(channels="activation", std_correction=True), [images(2, 40)])
    with torch.no_grad():
        assert found.network.eval()(images(2, 48)).isfinite().all()


def test_the_last_action_that_applies_is_reported() -> None:
    assert ACTIONS == ("kept", "cropped", "resized", "averaged", "new")
    assert action_of(["a"], resized=False, seed_shape=(3,), shape=(3,)) == "kept"
    assert action_of(["a"], resized=False, seed_shape=(3,), shape=(2,)) == "cropped"
    assert action_of(["a"], resized=True, seed_shape=(3,), shape=(2,)) == "resized"
    assert action_of(["a", "b"], resized=False, seed_shape=(3,), shape=(2,)) == "averaged"
    assert action_of([], resized=False, seed_shape=(), shape=(2,)) == "new"
