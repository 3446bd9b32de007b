import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from experiments.data.input_format import InputFormat
from models.checkpoints.resize import heads
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.cost.operators import Cost
from scaler.errors import DamagedFileError, ScalerError, UnknownNameError
from scaler.json_files import write_sealed
from scaler.results import variant

ARCH = SEEDS["tiny_vit_1m_32"]
NOTE = variant.VariantInfo(
    family="tiny_vit", arch=ARCH.to_dict(), seed_model="tiny_vit_1m_32", budget="flops=7M", flops=1, params=2
)


def test_a_folder_is_what_was_written_and_timm_opens_it(tmp_path: Path) -> None:
    spec = model_spec_of("tiny", ARCH)
    model = spec.build().eval()
    spec.write(tmp_path / "v", NOTE, model.state_dict())
    again = open_model_spec(str(tmp_path / "v"))
    by_timm = timm.create_model(f"local-dir:{tmp_path / 'v'}", pretrained=True).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert again.arch == ARCH
    assert again.count() == cost_of(ARCH)
    assert torch.equal(model(images), again.build().eval()(images))
    assert torch.equal(model(images), by_timm(images))
    assert by_timm.pretrained_cfg["input_size"] == (3, 32, 32)


@pytest.mark.parametrize("name", ["tiny_vit_1m_32", "deit_tiny_patch16_224", "resnet18", "vit_tiny_patch16_224"])
def test_a_configuration_speaks_of_this_model_alone(name: str) -> None:
    """Not of the place, tag, license or sizes of timm's own weights."""
    spec = open_model_spec(name, resolution=64, num_classes=7)
    cfg = spec.config["pretrained_cfg"]
    fixed = {"fixed_input_size"} if name in ("deit_tiny_patch16_224", "vit_tiny_patch16_224") else set()
    named = {"input_size", "num_classes", "mean", "std", "crop_pct", "interpolation", "first_conv", "classifier"}
    assert cfg.keys() == named | fixed
    assert (list(cfg["input_size"]), cfg["num_classes"]) == ([3, 64, 64], 7)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto"])
def test_a_timm_models_folder_opens_with_its_weights(tmp_path: Path, name: str) -> None:
    spec = open_model_spec(name, resolution=32, num_classes=5)
    model = spec.build()
    spec.write(tmp_path, replace(NOTE, family="", arch={}), model.state_dict())
    by_timm = timm.create_model(f"local-dir:{tmp_path}", pretrained=True)
    assert by_timm.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, by_timm.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["tiny_vit_1m_32", "convnext_atto"])
def test_label_names_stay_at_another_resolution_and_go_with_the_classes(tmp_path: Path, name: str) -> None:
    spec = open_model_spec(name, num_classes=3).with_label_names(("cat", "dog", "eel"))
    note = NOTE if spec.arch else replace(NOTE, family="", arch={})
    spec.write(tmp_path, replace(note, arch=spec.arch.to_dict() if spec.arch else {}))
    labels = [
        open_model_spec(str(tmp_path), resolution=resolution, num_classes=classes).config["pretrained_cfg"].get("label_names")
        for resolution, classes in ((None, None), (64, None), (64, 3), (None, 4))
    ]
    assert labels == [["cat", "dog", "eel"]] * 3 + [None]
    assert "label_names" not in spec.with_label_names(()).config["pretrained_cfg"]


def test_a_note_of_an_earlier_version_opens_and_a_changed_one_is_named(tmp_path: Path) -> None:
    model_spec_of("tiny", ARCH).write(tmp_path, NOTE)
    data = json.loads((tmp_path / variant.NOTE).read_text())
    del data["trained_on"], data["digest"]
    write_sealed(tmp_path / variant.NOTE, data)
    info = variant.read_info(tmp_path)
    assert info is not None
    assert info.trained_on == variant.TrainedOn()
    write_sealed(tmp_path / variant.NOTE, {**data, "trained_on": "Mars"})
    with pytest.raises(ScalerError, match=r"scaler.json is damaged \(trained_on: "):
        variant.read_info(tmp_path)


def test_an_untrained_folder_opens_too(tmp_path: Path) -> None:
    model_spec_of("tiny", ARCH).write(tmp_path, NOTE)
    spec = open_model_spec(str(tmp_path))
    assert spec.weights is None
    assert spec.count() == cost_of(ARCH)
    assert timm.create_model(f"local-dir:{tmp_path}").num_classes == 10


@pytest.mark.slow
def test_timm_models_are_counted_with_1000_classes() -> None:
    # timm's own entry point would build 21,841 classes here.
    assert open_model_spec("tiny_vit_5m_224").count() == Cost(1_270_432_960, 5_392_764)
    assert open_model_spec("resnet18").count().params == 11_689_512


def test_resolution_and_classes_change_on_request() -> None:
    assert open_model_spec("tiny_vit_1m_32", num_classes=3).num_classes == 3
    smaller = open_model_spec("deit_tiny_patch16_224", resolution=192, num_classes=10)
    assert (smaller.resolution, smaller.num_classes) == (192, 10)
    # 12 layers at 145 tokens: the position table loses 52 rows of 192, the head 990 of 193.
    assert smaller.count().params == 5_717_416 - 52 * 192 - 990 * 193


def test_a_folder_that_is_no_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"holds no config.json: give a variant's folder"):
        open_model_spec(str(tmp_path))
    spec = model_spec_of("tiny", ARCH)
    replace(spec, config={**spec.config, "architecture": "tiny_vitt_21m_224"}).write(tmp_path, NOTE)
    with pytest.raises(UnknownNameError, match=r"unknown timm architecture .* did you mean 'tiny_vit_21m_224'\?$"):
        open_model_spec(str(tmp_path))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    spec = model_spec_of("tiny", ARCH)
    spec.write(tmp_path, NOTE, spec.build().state_dict())
    weights = tmp_path / variant.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DamagedFileError, match=r"model.safetensors is damaged \(its content does not match the digest"):
        open_model_spec(str(tmp_path)).build()
    (tmp_path / variant.NOTE).unlink()
    with pytest.raises(ScalerError, match=r"model.safetensors do not load"):
        open_model_spec(str(tmp_path)).build()
    weights.unlink()
    assert open_model_spec(str(tmp_path)).weights is None


@pytest.mark.parametrize("name", [variant.CONFIG, variant.NOTE, variant.WEIGHTS])
def test_a_flipped_bit_is_named_or_changes_nothing(tmp_path: Path, name: str) -> None:
    """A bit of config.json that is read by timm alone may change what timm builds."""
    rng, spec = random.Random(0), model_spec_of("tiny", ARCH)
    model = spec.build()
    spec.write(tmp_path, NOTE, model.state_dict())
    path, before = tmp_path / name, open_model_spec(str(tmp_path))
    whole, named = path.read_bytes(), 0
    for _ in range(40):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            found = open_model_spec(str(tmp_path))
            built = found.build()
        except ScalerError:
            named += 1
        else:
            assert found.arch == before.arch
            assert all(torch.equal(value, built.state_dict()[key]) for key, value in model.state_dict().items())
    assert named > 10


def test_weights_that_are_noted_and_missing_are_named(tmp_path: Path) -> None:
    spec = model_spec_of("tiny", ARCH)
    spec.write(tmp_path, NOTE, spec.build().state_dict())
    (tmp_path / variant.WEIGHTS).unlink()
    with pytest.raises(DamagedFileError, match=r"the folder notes weights, and the file is missing\): restore the file"):
        open_model_spec(str(tmp_path)).build()
    open_model_spec(str(tmp_path)).without_weights().build()


@pytest.mark.parametrize(
    ("where", "changes", "reason"),
    [
        ("pretrained_cfg", {"mean": [0.5, 0.5]}, "pretrained_cfg.mean"),
        ("pretrained_cfg", {"mean": "grey"}, "pretrained_cfg.mean"),
        ("pretrained_cfg", {"std": [0.5, 0.0, 0.5]}, "std, input_size and crop_pct must be above 0"),
        ("pretrained_cfg", {"input_size": [3, 32]}, "pretrained_cfg.input_size"),
        ("", {"num_classes": "ten"}, "num_classes"),
        ("", {"architecture": ["tiny_vit_21m_224"]}, "architecture"),
        ("", {"model_args": []}, "model_args"),
        ("", {"pretrained_cfg": None}, "pretrained_cfg"),
    ],
)
def test_a_config_of_another_form_is_named(tmp_path: Path, where: str, changes: dict[str, Any], reason: str) -> None:
    model_spec_of("tiny", ARCH).write(tmp_path, NOTE)
    data = json.loads((tmp_path / variant.CONFIG).read_text())
    (data[where] if where else data).update(changes)
    (tmp_path / variant.CONFIG).write_text(json.dumps(data))
    with pytest.raises(DamagedFileError, match=rf"config.json is damaged \(.*{reason}.*\): restore it in timm's hub layout"):
        open_model_spec(str(tmp_path))


@pytest.mark.parametrize(
    "arguments", [{"embed_dims": [16]}, {"num_heads": [0, 0, 0, 0]}, {"embed_dims": 7}, {"depths": [2, None, 3, 1]}]
)
def test_arguments_that_timm_does_not_take_are_said_in_a_line(tmp_path: Path, arguments: dict[str, Any]) -> None:
    model_spec_of("tiny", ARCH).write(tmp_path, NOTE)
    data = json.loads((tmp_path / variant.CONFIG).read_text())
    data["model_args"] |= arguments
    (tmp_path / variant.CONFIG).write_text(json.dumps(data))
    (tmp_path / variant.NOTE).unlink()
    with pytest.raises(ScalerError, match="timm cannot build"):
        open_model_spec(str(tmp_path)).build()


def test_a_changed_config_of_a_noted_variant_is_named(tmp_path: Path) -> None:
    """A flipped bit of the mean would change every answer."""
    model_spec_of("tiny", ARCH).write(tmp_path, NOTE)
    data = json.loads((tmp_path / variant.CONFIG).read_text())
    (tmp_path / variant.CONFIG).write_text(json.dumps(data))  # in another layout
    open_model_spec(str(tmp_path))
    data["pretrained_cfg"]["mean"][0] += 0.125
    (tmp_path / variant.CONFIG).write_text(json.dumps(data))
    with pytest.raises(
        DamagedFileError, match=r"config.json is damaged \(its content does not match the digest in scaler.json\)"
    ):
        open_model_spec(str(tmp_path))


def test_a_config_reads_no_file_outside_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = model_spec_of("tiny", ARCH)
    sources = {"checkpoint_path": "/elsewhere", "pretrained_cfg": {"file": "/elsewhere"}, "cache_dir": "/elsewhere"}
    config = {**spec.config, "model_args": {**spec.config["model_args"], **sources}}
    config["pretrained_cfg"] = {**config["pretrained_cfg"], **dict.fromkeys(variant.SOURCES, "/elsewhere")}
    replace(spec, config=config).write(tmp_path, NOTE)
    assert "/elsewhere" in (tmp_path / variant.CONFIG).read_text()
    opened = open_model_spec(str(tmp_path))
    assert opened.config == spec.config
    monkeypatch.setattr("timm.models._factory.load_checkpoint", lambda *_, **__: pytest.fail("another file is read"))
    opened.build()


@pytest.mark.parametrize(
    "arch",
    [
        {"depths": [2, None, 3, 1]}, {"depths": 3}, {"unknown": 1}, {"num_heads": [0] * 4}, {"embed_dims": [1e195] * 4},
        {"depths": [1.5] * 4}, {"num_classes": True}, {"resolution": 10**30}, {"mlp_ratio": "4"}, {"mlp_ratio": [[4.0]]},
    ],
)  # fmt: skip
def test_a_note_of_no_architecture_is_named(tmp_path: Path, arch: dict[str, Any]) -> None:
    model_spec_of("tiny", ARCH).write(tmp_path, replace(NOTE, arch={**NOTE.arch, **arch}))
    with pytest.raises(ScalerError, match=r"scaler.json is damaged|tiny_vit \w+ = .*: (must|needs)"):
        open_model_spec(str(tmp_path))


@pytest.mark.parametrize("name", ["tiny_vit_1m_32", "mini_swin_1m_patch2_32", "resnet10t"])
def test_other_classes_get_a_new_head_and_keep_all_other_weights(name: str, tmp_path: Path) -> None:
    spec = open_model_spec(name)
    weights = spec.build().state_dict()
    spec.write(tmp_path, replace(NOTE, family="", arch={}), weights)
    tuned = open_model_spec(str(tmp_path)).for_classes(("a", "b", "c"), 3)
    network = tuned.build()
    own = heads(network) & network.state_dict().keys()
    assert (tuned.num_classes, tuned.label_names, len(own)) == (3, ("a", "b", "c"), 2)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights[key]) != (key in own)
    head = next(network.state_dict()[key] for key in own if key.endswith("weight"))
    assert len(head) == 3
    assert 0 < head.abs().max() < 1e-3
    assert not torch.equal(head, next(tensor for key, tensor in tuned.build().state_dict().items() if key in own))


def test_a_changed_folder_keeps_its_normalization_and_crop(tmp_path: Path) -> None:
    spec = model_spec_of("v", SEEDS["deit_tiny_patch16_224"])
    own = {"mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.8, "interpolation": "bilinear"}
    changed = replace(spec, config={**spec.config, "pretrained_cfg": {**spec.config["pretrained_cfg"], **own}})
    changed.write(tmp_path, replace(NOTE, family="deit", arch=SEEDS["deit_tiny_patch16_224"].to_dict()))
    found = open_model_spec(str(tmp_path), resolution=160, num_classes=7)
    assert (found.mean, found.std, found.crop_pct) == ((0.5,) * 3, (0.25,) * 3, 0.8)
    assert InputFormat.of(found).interpolation == "bilinear"
    assert open_model_spec(str(tmp_path), resolution=96).crop_pct == 1.0
