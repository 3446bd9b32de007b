"""`scaler import timm:NAME`: from a Hugging Face cache in a temporary folder, and without a network."""

import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from experiments import cli
from experiments.commands.import_checkpoint import import_checkpoint
from experiments.options.train import ImportOptions
from models.checkpoints import timm_hub
from models.networks.model_spec import open_model_spec
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError, UnknownNameError
from scaler.results.variant import read_info
from search_spaces import open_space

SMALL = "test_vit.r160_in1k"  # of timm's own tests: 0.4 M parameters


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, and no network."""

    def no_network(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(timm_hub, "urlopen", no_network)
    return tmp_path / "hub"


def cached(hub: Path, name: str, *, references: bool = True) -> torch.nn.Module:
    """A network of timm's, its weights in the cache as `hf download` leaves them."""
    torch.manual_seed(1)
    network: torch.nn.Module = timm.create_model(name, num_classes=timm.get_pretrained_cfg(name).num_classes)
    repository = hub / f"models--timm--{name}"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    save_file(network.state_dict(), snapshot / "model.safetensors")
    if references:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(snapshot.name)
    return network


def imported(name: str, out: Path, **more: Any) -> dict[str, Any]:
    return import_checkpoint(ImportOptions(checkpoint=f"timm:{name}", out=out, **more))


@pytest.mark.parametrize("references", [True, False])
def test_weights_come_from_the_cache_with_their_own_input_and_classes(hub: Path, tmp_path: Path, references: bool) -> None:
    network = cached(hub, SMALL, references=references)
    found = imported(SMALL, tmp_path / "v")
    spec, cfg = open_model_spec(str(tmp_path / "v")), timm.get_pretrained_cfg(SMALL)
    assert (spec.mean, spec.std, spec.crop_pct, spec.resolution) == (cfg.mean, cfg.std, cfg.crop_pct, 160)
    assert spec.config["pretrained_cfg"]["interpolation"] == cfg.interpolation
    assert (spec.label_names[0], spec.readable_labels[0], len(spec.label_names)) == ("n01440764", "tench, Tinca tinca", 1000)
    weights = network.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in spec.build().state_dict().items())
    note = read_info(tmp_path / "v")
    assert note is not None
    assert spec.arch is not None
    assert (note.family, note.seed_model) == ("timm", SMALL)
    assert (found["flops"], found["params"]) == (note.flops, note.params) == tuple(cost_of(spec.arch))


def test_a_name_without_a_tag_is_that_of_timms_first_weights(hub: Path, tmp_path: Path) -> None:
    cached(hub, SMALL)
    found = imported("test_vit", tmp_path / "v", num_classes=7, resolution=96)
    assert (found["num_classes"], found["resolution"]) == (7, 96)
    assert any("pos_embed resized" in line for line in found["changed"])
    assert open_model_spec(str(tmp_path / "v")).label_names == ()


@pytest.mark.slow
def test_a_published_seed_keeps_its_family(hub: Path, tmp_path: Path) -> None:
    cached(hub, "tiny_vit_5m_224.in1k")
    imported("tiny_vit_5m_224.in1k", tmp_path / "v")
    note = read_info(tmp_path / "v")
    assert note is not None
    assert note.family == "tiny_vit"
    seed, around = open_space("tiny_vit_5m_224"), open_space(str(tmp_path / "v"))
    assert (around.axes(), around.size) == (seed.axes(), seed.size)


def test_without_a_network_the_message_says_what_to_fetch_and_where_to_put_it(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"`hf download timm/test_vit.r160_in1k model.safetensors`") as error:
        imported(SMALL, tmp_path / "v")
    assert all(word in str(error.value) for word in ("no network", str(hub), "models--timm--test_vit.r160_in1k", "--model"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "v").exists()


def test_the_file_that_was_fetched_elsewhere_is_imported_as_that_tag(hub: Path, tmp_path: Path) -> None:
    cached(hub, SMALL)
    (file,) = hub.rglob("model.safetensors")
    import_checkpoint(ImportOptions(checkpoint=file, model=SMALL, out=tmp_path / "file"))
    imported(SMALL, tmp_path / "cache")
    for name in ("config.json", "model.safetensors", "scaler.json"):
        assert (tmp_path / "file" / name).read_bytes() == (tmp_path / "cache" / name).read_bytes()


def test_a_damaged_file_of_the_cache_is_named(hub: Path, tmp_path: Path) -> None:
    cached(hub, SMALL)
    (file,) = hub.rglob("model.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ScalerError, match=r"model.safetensors holds no weights of test_vit.r160_in1k .*: delete it"):
        imported(SMALL, tmp_path / "v")
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tiny_vit_21m_224.dist_in22k_ft", "tiny_vit_21m_224.dist_in22k_ft_in1k"),
        ("tiny_vit_21m_244.dist_in22k_ft_in1k", "tiny_vit_21m_224.dist_in22k_ft_in1k"),
        ("resnet99", "resnet18"),
    ],
)
def test_an_unknown_tag_is_answered_with_the_closest(name: str, near: str, hub: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean") as error:
        imported(name, tmp_path / "v")
    assert near in error.value.near


def test_a_model_without_weights_and_options_for_files_are_refused(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="timm has no pretrained weights of 'mini_swin_tiny_224'"):
        imported("mini_swin_tiny_224", tmp_path / "v")
    for options in ({"model": SMALL}, {"by_position": True}):
        with pytest.raises(ScalerError, match="leave out --model and --by-position"):
            imported(SMALL, tmp_path / "v", **options)
    with pytest.raises(ScalerError, match="--model: name the seed"):
        import_checkpoint(ImportOptions(checkpoint="a.pth", out=tmp_path / "v"))


def test_offline_the_network_is_not_asked(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(timm_hub, "urlopen", pytest.fail)
    monkeypatch.setattr(sys, "argv", ["scaler", "import", f"timm:{SMALL}", "--out", str(tmp_path / "v")])
    assert cli.run() == 2
    said = capsys.readouterr().err
    assert "HF_HUB_OFFLINE is set" in said
    assert len(said.strip().splitlines()) == 1


class TestByPosition:
    """Files whose names no layout knows."""

    def saved(self, tmp_path: Path) -> torch.nn.Module:
        torch.manual_seed(2)
        network: torch.nn.Module = timm.create_model("test_vit", num_classes=10)
        renamed = {f"_{name.replace('blocks', 'Layer', 1)}": tensor for name, tensor in network.state_dict().items()}
        torch.save(renamed, tmp_path / "a.pth")
        return network

    def options(self, tmp_path: Path, **more: Any) -> ImportOptions:
        common: dict[str, Any] = {"checkpoint": tmp_path / "a.pth", "out": tmp_path / "v", "num_classes": 10}
        return ImportOptions(**{"model": "test_vit", **common, **more})

    def test_tensors_are_taken_in_their_order(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        weights = self.saved(tmp_path).state_dict()
        with pytest.raises(ScalerError, match="--by-position takes the tensors in their order"):
            import_checkpoint(self.options(tmp_path))
        found = import_checkpoint(self.options(tmp_path, by_position=True, mean="0.5", std="0.5,0.4,0.3"))
        spec = open_model_spec(str(tmp_path / "v"))
        assert found["layout"] == "positional"
        assert "names were not compared" in capsys.readouterr().err
        assert (spec.mean, spec.std) == ((0.5,) * 3, (0.5, 0.4, 0.3))
        assert all(torch.equal(tensor, weights[name]) for name, tensor in spec.build().state_dict().items())

    def test_what_does_not_agree_is_named(self, tmp_path: Path) -> None:
        self.saved(tmp_path)
        with pytest.raises(ScalerError, match=r"head\.weight is 10x64 and should be 1000x64"):
            import_checkpoint(self.options(tmp_path, by_position=True, num_classes=None))
        with pytest.raises(ScalerError, match=r"--by-position: the file has .* tensors and tiny_vit_1m_32 has"):
            import_checkpoint(self.options(tmp_path, by_position=True, model="tiny_vit_1m_32"))
        first, second, *others = torch.load(tmp_path / "a.pth").items()
        torch.save(dict([second, first, *others]), tmp_path / "b.pth")
        with pytest.raises(ScalerError, match="names must end alike and dimensions agree"):
            import_checkpoint(self.options(tmp_path, by_position=True, checkpoint=tmp_path / "b.pth"))
        for wrong in ("a", "1,2", "300"):
            with pytest.raises(ScalerError, match=f"--mean {wrong}: write one number"):
                import_checkpoint(self.options(tmp_path, by_position=True, mean=wrong))
        assert not (tmp_path / "v").exists()


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    torch.save(open_model_spec("deit_1m_patch4_32").build().state_dict(), tmp_path / "a.pth")
    with pytest.raises(ScalerError, match=r"does not fit tiny_vit_1m_32 .*: missing .*; unknown .*"):
        import_checkpoint(ImportOptions(checkpoint=tmp_path / "a.pth", model="tiny_vit_1m_32", out=tmp_path / "v"))
    assert not (tmp_path / "v").exists()
