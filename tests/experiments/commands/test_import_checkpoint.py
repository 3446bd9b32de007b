"""`scaler import` as a user meets it: the folder it leaves, what opens it, and what leaves nothing."""

from pathlib import Path

import pytest
import timm
import torch

from experiments.commands.import_checkpoint import import_checkpoint
from experiments.commands.inputs import open_teacher
from experiments.data.datasets import open_data
from experiments.options.train import ImportOptions
from models.checkpoints.layouts import layouts
from models.networks.model_spec import open_model_spec
from scaler.cost.architecture import cost_of
from scaler.errors import ScalerError
from scaler.results.variant import read_info
from tests.experiments.cli.test_cli import answer, refused

SEEDS = ["tiny_vit_1m_32", "deit_1m_patch4_32", "swin_1m_patch2_32", "mini_deit_1m_patch4_32", "mini_swin_1m_patch2_32"]


def saved(name: str, path: Path, **changes: torch.Tensor) -> torch.nn.Module:
    """A network of the seed ``name``, its weights in ``path`` as its authors would name them."""
    torch.manual_seed(0)
    network = open_model_spec(name).build().eval()
    key = layouts(network)[0].key
    torch.save({"model": {key(n): t for n, t in network.state_dict().items()} | changes, "epoch": 1}, path)
    return network


@pytest.mark.parametrize("name", SEEDS)
def test_a_checkpoint_becomes_a_variant_that_opens_everywhere(name: str, tmp_path: Path) -> None:
    network = saved(name, tmp_path / "a.pth")
    found = import_checkpoint(ImportOptions(checkpoint=tmp_path / "a.pth", model=name, out=tmp_path / "v"))
    spec, images = open_model_spec(found["folder"]), torch.randn(2, 3, 32, 32)
    assert spec.arch is not None
    assert (found["flops"], found["params"]) == tuple(cost_of(spec.arch))
    note = read_info(tmp_path / "v")
    assert note is not None
    assert note.seed_model == name
    with torch.no_grad():
        expected = network(images)
        assert torch.equal(spec.build().eval()(images), expected)
        assert torch.equal(timm.create_model(f"local-dir:{tmp_path / 'v'}", pretrained=True).eval()(images), expected)
    assert open_teacher(found["folder"], open_data("digits")) is not None


def test_a_convolutional_network_of_timms(tmp_path: Path) -> None:
    network = timm.create_model("resnet10t", num_classes=10)
    torch.save(network.state_dict(), tmp_path / "a.bin")
    with pytest.raises(ScalerError, match="--num-classes 10 keeps the file's head"):
        import_checkpoint(ImportOptions(checkpoint=tmp_path / "a.bin", model="resnet10t", out=tmp_path / "v"))
    assert not (tmp_path / "v").exists()
    found = import_checkpoint(ImportOptions(checkpoint=tmp_path / "a.bin", model="resnet10t", out=tmp_path / "v", num_classes=10))
    assert (found["layout"], found["changed"], found["num_classes"]) == ("timm", [], 10)
    for key, tensor in open_model_spec(found["folder"]).build().state_dict().items():
        assert torch.equal(tensor, network.state_dict()[key])


def test_another_size_is_another_architecture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved("mini_deit_1m_patch4_32", tmp_path / "a.pth")
    found = import_checkpoint(
        ImportOptions(
            checkpoint=tmp_path / "a.pth", model="mini_deit_1m_patch4_32", out=tmp_path / "v", resolution=48, num_classes=7
        )
    )
    spec = open_model_spec(found["folder"])
    assert (spec.resolution, spec.num_classes) == (48, 7)
    assert spec.arch is not None
    assert (spec.arch.resolution, cost_of(spec.arch).flops) == (48, found["flops"])
    said = capsys.readouterr().err
    assert "pos_embed resized from 1x64x128 to 1x144x128, bicubic" in said
    assert "head.weight: zeros, as the file has 10 classes and not 7; train it" in said


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    saved("deit_1m_patch4_32", tmp_path / "a.pth")
    for file, model, message in (("a.pth", "deit_1m_patch4_23", "did you mean"), ("b.pth", "deit_1m_patch4_32", "no file")):
        with pytest.raises(ScalerError, match=message):
            import_checkpoint(ImportOptions(checkpoint=tmp_path / file, model=model, out=tmp_path / "v"))
    assert not (tmp_path / "v").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    saved("deit_1m_patch4_32", tmp_path / "a.pth")
    with pytest.raises(ScalerError, match="not an empty folder"):
        import_checkpoint(ImportOptions(checkpoint=tmp_path / "a.pth", model="deit_1m_patch4_32", out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_a_class_map_is_checked(tmp_path: Path) -> None:
    saved("deit_1m_patch4_32", tmp_path / "a.pth")
    for text, message in (
        ("1\n2\n", "has 2 rows for 10 classes"),
        ("a\n", "cannot read the class map"),
        ("-2\n" * 10, "-1 or above"),
    ):
        (tmp_path / "map.txt").write_text(text)
        with pytest.raises(ScalerError, match=message):
            import_checkpoint(
                ImportOptions(
                    checkpoint=tmp_path / "a.pth", model="deit_1m_patch4_32", out=tmp_path / "v", class_map=tmp_path / "map.txt"
                )
            )
    (tmp_path / "map.txt").write_text("".join(f"{row}\n" for row in reversed(range(10))))
    import_checkpoint(
        ImportOptions(
            checkpoint=tmp_path / "a.pth", model="deit_1m_patch4_32", out=tmp_path / "v", class_map=tmp_path / "map.txt"
        )
    )


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    saved("swin_1m_patch2_32", tmp_path / "a.pth")
    found = answer("import", str(tmp_path / "a.pth"), "--model", "swin_1m_patch2_32", "--out", str(tmp_path / "v"))
    assert (found["layout"], found["changed"]) == ("official Swin", [])
    saved("swin_1m_patch2_32", tmp_path / "b.pth", extra=torch.zeros(1))
    said = refused("import", str(tmp_path / "b.pth"), "--model", "swin_1m_patch2_32", "--out", str(tmp_path / "w"))
    assert "does not fit swin_1m_patch2_32 (official Swin layout): unknown extra" in said
    assert not (tmp_path / "w").exists()
