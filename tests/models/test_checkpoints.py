"""Published checkpoints: every tensor where it belongs, outputs as the original networks', and refusals that name the tensor."""

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoints import files
from models.checkpoints.fitting import fit
from models.checkpoints.resize import AllowedChanges
from models.networks.model_spec import open_model_spec
from scaler.errors import ScalerError
from tests.models import official

SWINS = {
    "swin_tiny_224": "swin_tiny_patch4_window7_224",
    "swin_small_224": "swin_small_patch4_window7_224",
    "swin_base_224": "swin_base_patch4_window7_224",
}
PUBLISHED = sorted(path.stem for path in official.KEYS.glob("*.txt"))


def model_of(published: str) -> str:
    return SWINS.get(published, published)


def network_of(name: str, **kwargs: Any) -> nn.Module:
    with torch.device("meta"):  # only names and shapes matter where no weights are loaded
        return open_model_spec(name, **kwargs).build()


# By hand: a few keys of each layout and where their values must be in a network.
PLACES = {
    "tiny_vit": {
        "patch_embed.seq.2.bn.running_var": "patch_embed.conv2.bn.running_var",
        "layers.0.blocks.1.conv3.c.weight": "stages.0.blocks.1.conv3.conv.weight",
        "layers.0.downsample.conv1.c.weight": "stages.1.downsample.conv1.conv.weight",
        "layers.2.downsample.conv3.bn.bias": "stages.3.downsample.conv3.bn.bias",
        "layers.2.blocks.5.attn.attention_biases": "stages.2.blocks.5.attn.attention_biases",
        "layers.3.blocks.0.local_conv.c.weight": "stages.3.blocks.0.local_conv.conv.weight",
        "norm_head.weight": "head.norm.weight",
        "head.weight": "head.fc.weight",
    },
    "swin": {
        "layers.0.downsample.reduction.weight": "layers.1.downsample.reduction.weight",
        "layers.2.downsample.norm.bias": "layers.3.downsample.norm.bias",
        "layers.2.blocks.5.attn.relative_position_bias_table": "layers.2.blocks.5.attn.relative_position_bias_table",
        "head.bias": "head.fc.bias",
    },
    "mini_deit": {
        "blocks.5.block.norm2.instances.1.bias": "blocks.11.norm2.bias",
        "blocks.0.block.norm1.instances.0.weight": "blocks.0.norm1.weight",
        "blocks.2.block.attn.conv_l.instances.1.weight": "blocks.5.attn.pre.weight",
        "blocks.2.block.attn.conv_w.instances.0.weight": "blocks.4.attn.post.weight",
        "blocks.3.block.attn.rpe_k.instances.1.lookup_table_weight": "blocks.7.attn.rpe_k.table",
        "blocks.1.block.attn.qkv.weight": "blocks.2.attn.qkv.weight",
        "blocks.4.block.mlp.fc2.bias": "blocks.8.mlp.fc2.bias",
    },
    "mini_swin": {
        "layers.0.blocks.0.norm1_list.1.weight": "layers.0.blocks.1.norm1.weight",
        "layers.1.blocks.0.proj_l.1.bias": "layers.1.blocks.1.attn.pre.bias",
        "layers.3.blocks.0.proj_w.0.weight": "layers.3.blocks.0.attn.post.weight",
        "layers.3.blocks.0.local_norm_list.1.bias": "layers.3.blocks.1.local_norm.bias",
        "layers.1.downsample.reduction.weight": "layers.2.downsample.reduction.weight",
        "head.weight": "head.fc.weight",
    },
    # Stage 2 is one block run six times in T, nine blocks run twice in S and B.
    "mini_swin_tiny": {"layers.2.blocks.0.local_conv_list.5.weight": "layers.2.blocks.5.local_conv.weight"},
    "mini_swin_small": {"layers.2.blocks.8.mlp.fc1.weight": "layers.2.blocks.16.mlp.fc1.weight"},
    "mini_swin_base": {"layers.2.blocks.7.norm2_list.1.bias": "layers.2.blocks.15.norm2.bias"},
}


@pytest.mark.slow
@pytest.mark.parametrize("published", PUBLISHED)
def test_every_tensor_of_a_published_layout_ends_where_it_belongs(published: str) -> None:
    tensors = official.checkpoint(published)
    network = network_of(model_of(published))
    fitted = fit(network, tensors, AllowedChanges(), published)
    assert fitted.layout.startswith("official")
    assert fitted.changed == []
    assert {name: t.shape for name, t in fitted.state.items()} == {name: t.shape for name, t in network.state_dict().items()}
    loaded = [key for kind, key, *_ in official.layout(published) if kind == "param" or ".bn." in key]
    assert sorted(map(sums, fitted.state.values())) == sorted(sums(tensors[key]) for key in loaded)
    for layout, places in PLACES.items():
        for key, place in places.items() if published.startswith(f"{layout}_") else ():
            assert torch.equal(fitted.state[place].flatten(), tensors[key].flatten()), key


def sums(tensor: Tensor) -> tuple[int, float]:
    return tensor.numel(), float(tensor.double().sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("published", "original"),
    [
        ("tiny_vit_5m_224", official.tiny_vit),
        ("mini_deit_tiny_patch16_224", official.mini_deit),
        ("swin_tiny_224", lambda s, x: official.swin(s, x, 7)),
        ("mini_swin_tiny_224", lambda s, x: official.swin(s, x, 7, (2, 2, 6, 2))),
    ],
)
def test_outputs_are_those_of_the_original_network(published: str, original: Callable[..., Tensor]) -> None:
    tensors = official.checkpoint(published)
    target = open_model_spec(model_of(published))
    network = target.build().eval()
    network.load_state_dict(fit(network, tensors, AllowedChanges(), published).state)
    coarse = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    images = F.interpolate(coarse, size=(target.resolution,) * 2, mode="bicubic")
    with torch.no_grad():
        expected = original({key: t.double() if t.is_floating_point() else t for key, t in tensors.items()}, images)
        got = network.double()(images)
    assert expected.std() > 0.1
    assert (expected[0] - expected[1]).abs().max() > 0.02
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "name", ["tiny_vit_1m_32", "deit_1m_patch4_32", "mini_swin_1m_patch2_32", "resnet18", "deit_tiny_distilled_patch16_224"]
)
def test_timms_own_names_are_a_layout_of_every_model(name: str) -> None:
    saved, other = open_model_spec(name).build(), open_model_spec(name).build()
    fitted = fit(other, saved.state_dict(), AllowedChanges(), name)
    assert fitted.layout == "timm"
    other.load_state_dict(fitted.state)
    for key, tensor in saved.state_dict().items():
        assert torch.equal(other.state_dict()[key], tensor)


SMALL = "mini_deit_tiny_patch16_224"


def refusal(tensors: dict[str, Tensor], model: str = SMALL, changes: AllowedChanges | None = None, **kwargs: Any) -> str:
    with pytest.raises(ScalerError) as caught:
        fit(network_of(model, **kwargs), tensors, changes or AllowedChanges(), model)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1500
    return message


def test_what_does_not_fit_is_named_as_the_file_names_it() -> None:
    whole = official.checkpoint(SMALL)
    key = "blocks.3.block.attn.conv_l.instances.1.weight"
    assert f"missing {key}" in refusal({k: t for k, t in whole.items() if k != key})
    assert "unknown blocks.6.block.extra" in refusal(whole | {"blocks.6.block.extra": torch.zeros(1)})
    assert f"{key} is 3x4x1x1 and should be 3x3" in refusal(whole | {key: torch.zeros(3, 4, 1, 1)})
    assert "norm.bias is 192 int64 and should be 192" in refusal(whole | {"norm.bias": torch.zeros(192, dtype=torch.int64)})
    assert "(132 in all)" in refusal(
        {k: t for k, t in whole.items() if "blocks" not in k} | {"blocks.0.block.norm1.x": whole[key]}
    )
    distilled = timm.create_model("deit_tiny_distilled_patch16_224").state_dict()
    message = refusal(distilled, "deit_tiny_patch16_224")
    assert "unknown dist_token, head_dist.bias, head_dist.weight" in message
    assert "check that --model names the model" in message


def test_buffers_that_follow_from_the_architecture_are_checked_and_left_out() -> None:
    for published, key in (
        ("mini_swin_tiny_224", "layers.1.blocks.0.attn_mask"),
        ("swin_tiny_224", "layers.2.blocks.3.attn_mask"),
    ):
        whole = official.checkpoint(published)
        without = {k: t for k, t in whole.items() if not k.endswith(("attn_mask", "relative_position_index"))}
        network = network_of(model_of(published))
        state = fit(network, without, AllowedChanges(), published).state
        assert all(torch.equal(t, state[k]) for k, t in fit(network, whole, AllowedChanges(), published).state.items())
        assert f"{key} is 3x49x49 and should be" in refusal(whole | {key: torch.zeros(3, 49, 49)}, model_of(published))
    indices = {"stages.1.blocks.0.attn.attention_bias_idxs": torch.zeros(9, 9, dtype=torch.int64)}
    tiny = timm.create_model("tiny_vit_5m_224", num_classes=1000).state_dict()
    assert "attention_bias_idxs is 9x9 int64 and should be 49x49 int64" in refusal(tiny | indices, "tiny_vit_5m_224")


@pytest.mark.parametrize(
    ("published", "model", "key", "place", "as_image"),
    [
        (
            "tiny_vit_21m_224",
            "tiny_vit_21m_384",
            "layers.2.blocks.1.attn.attention_biases",
            "stages.2.blocks.1.attn.attention_biases",
            (lambda t: t.view(1, 12, 14, 14), lambda t: t.view(1, 12, 24, 24)),
        ),
        (
            "swin_base_224",
            "swin_base_patch4_window12_384",
            "layers.0.blocks.1.attn.relative_position_bias_table",
            "layers.0.blocks.1.attn.relative_position_bias_table",
            (lambda t: t.T.reshape(1, 4, 13, 13), lambda t: t.T.reshape(1, 4, 23, 23)),
        ),
        (
            "mini_deit_base_patch16_224",
            "mini_deit_base_patch16_384",
            "pos_embed",
            "pos_embed",
            (lambda t: t.mT.reshape(1, 768, 14, 14), lambda t: t.mT.reshape(1, 768, 24, 24)),
        ),
    ],
)
def test_tables_are_resized_on_request_only(published: str, model: str, key: str, place: str, as_image: Any) -> None:
    tensors = official.checkpoint(published)
    message = refusal(tensors, model)
    assert "of another shape" in message
    assert "--resolution" in message
    network = network_of(model)
    fitted = fit(network, tensors, AllowedChanges(tables=True), model)
    before, after = as_image
    expected = F.interpolate(before(tensors[key]), size=after(fitted.state[place]).shape[-2:], mode="bicubic")
    torch.testing.assert_close(after(fitted.state[place]), expected)
    assert any(line.startswith(f"{place} resized") for line in fitted.changed)
    network.load_state_dict(fitted.state, assign=True)


def test_a_class_token_keeps_its_position() -> None:
    tensors = timm.create_model("deit_tiny_patch16_224").state_dict()
    network = network_of("deit_tiny_patch16_224", resolution=384)
    resized = fit(network, tensors, AllowedChanges(tables=True), "deit").state["pos_embed"]
    assert resized.shape == (1, 577, 192)
    assert torch.equal(resized[:, 0], tensors["pos_embed"][:, 0])


def test_other_classes_are_zeros_on_request_only() -> None:
    tensors = official.checkpoint(SMALL)
    message = refusal(tensors, num_classes=10)
    assert "head.weight is 1000x192 and should be 10x192" in message
    assert "--num-classes 1000 keeps the file's head; --num-classes 10 puts zeros in its place" in message
    fitted = fit(network_of(SMALL, num_classes=10), tensors, AllowedChanges(classes=True), SMALL)
    assert not fitted.state["head.weight"].any()
    assert [line.split(":")[0] for line in fitted.changed] == ["head.weight", "head.bias"]


def test_a_thousand_of_21841_classes_are_selected_by_the_authors_map() -> None:
    tensors = official.checkpoint("tiny_vit_5m_224") | {"head.weight": torch.randn(21_841, 320), "head.bias": torch.randn(21_841)}
    for changes in (AllowedChanges(), AllowedChanges(classes=True)):
        message = refusal(tensors, "tiny_vit_5m_224", changes)
        assert "--num-classes 21841 keeps the file's head; --class-map FILE selects" in message
    rows = [7, -1, *range(100, 1098)]
    fitted = fit(network_of("tiny_vit_5m_224"), tensors, AllowedChanges(class_map=rows), "tiny_vit_5m_224")
    head, mapped = fitted.state["head.fc.weight"], tensors["head.weight"][[7, *range(100, 1098)]]
    assert torch.equal(head[[0, *range(2, 1000)]], mapped)
    torch.testing.assert_close(head[1], mapped.mean(0))
    torch.testing.assert_close(fitted.state["head.fc.bias"][1], tensors["head.bias"][[7, *range(100, 1098)]].mean())
    with pytest.raises(ScalerError, match="names row 30000: the file's head has 21841"):
        fit(network_of("tiny_vit_5m_224"), tensors, AllowedChanges(class_map=[30_000] * 1000), "tiny_vit_5m_224")


STATE = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}


@pytest.mark.parametrize(
    ("saved", "wrapper"),
    [
        (STATE, ""),
        ({"model": STATE, "epoch": 3, "optimizer": {"state": {}}}, "model"),
        ({"state_dict": {f"module.{k}": t for k, t in STATE.items()}}, "state_dict"),
        ({"model_ema": STATE, "model": {f"_orig_mod.module.{k}": t for k, t in STATE.items()}}, "model"),
    ],
)
def test_state_dicts_are_found_where_training_scripts_put_them(saved: Any, wrapper: str, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "a.pth")
    found = files.read(tmp_path / "a.pth")
    assert found.tensors.keys() == STATE.keys()
    assert found.wrapper == wrapper
    assert found.others == (("model_ema",) if "model_ema" in saved else ())


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, tmp_path / "training.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    (tmp_path / "text.pth").write_text("<html>not found</html>")
    (tmp_path / "nothing.pt").write_bytes(b"")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "training.pth").read_bytes()[:400])
    (tmp_path / "text.safetensors").write_text("no")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": 1}))
    for name, message in {
        "training.pth": r"holds more than tensors \(argparse.Namespace\), and reading that could run code.*; .*save the weights",
        "empty.pth": r"has no state dict \(epoch\)",
        "text.pth": r"text.pth is not a checkpoint that torch.save wrote",
        "nothing.pt": r"is not a checkpoint that torch.save wrote",
        "cut.pth": r"is not a checkpoint that torch.save wrote",
        "text.safetensors": r"is not a safetensors file",
        "plain.pkl": r"is not a checkpoint that torch.save wrote",
        "none.pth": r"no file",
    }.items():
        with pytest.raises(ScalerError, match=message) as caught:
            files.read(tmp_path / name)
        assert len(str(caught.value).splitlines()) <= 2


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model": STATE, "x": Hostile()}, tmp_path / "a.pth")
    with pytest.raises(ScalerError, match="holds more than tensors"):
        files.read(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
