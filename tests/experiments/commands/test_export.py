"""`scaler export`: files that compute what the variant does, or no file."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from experiments.commands import export as exporting
from experiments.commands.export import FORMATS, TOLERANCE, export
from experiments.options.train import ExportOptions
from models.networks.model_spec import ModelSpec, model_spec_of
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from scaler.results.variant import VariantInfo
from tests.experiments.cli.test_cli import answer

# Every operator of every family is in the multiplexed ones; a few blocks show that.
SHALLOW: dict[str, Any] = {
    "mini_tiny_vit_1m_32": {"depths": (1, 2, 1, 1), "share": (1, 2, 1, 1)},
    "mini_deit_1m_patch4_32": {"depth": 2},
    "mini_swin_1m_patch2_32": {"depths": (2, 2, 1), "share": (2, 1, 1)},
    "deit_1m_patch4_32": {"depth": 2},
}


def variant(name: str, folder: Path) -> torch.nn.Module:
    """A variant's folder whose weights are random, so that no branch is neutral by chance."""
    torch.manual_seed(0)
    arch = replace(SEEDS[name], **SHALLOW[name])
    network = model_spec_of(name, arch).build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    note = VariantInfo(family=arch.family, arch=arch.to_dict(), seed_model=name, budget="", flops=1, params=1)
    model_spec_of(name, arch).write(folder, note, network.state_dict())
    return network


def outputs(kind: str, path: Path, images: torch.Tensor) -> torch.Tensor:
    if kind == "torch-export":
        return torch.export.load(path).module()(images)
    return torch.from_numpy(onnxruntime.InferenceSession(path).run(None, {"images": images.numpy()})[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"), [*(("onnx", name) for name in SHALLOW if "mini" in name), ("torch-export", "deit_1m_patch4_32")]
)
def test_a_file_computes_what_its_variant_does(kind: str, name: str, tmp_path: Path) -> None:
    network, out = variant(name, tmp_path / "v"), tmp_path / "deep" / "file.pt2"
    found = export(ExportOptions(variant=str(tmp_path / "v"), format=kind, out=out))
    assert list(out.parent.iterdir()) == [out]
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, got = network(images), outputs(kind, out, images)
    assert (expected[0] - expected[1]).abs().max() > 0.01
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert found["difference"].keys() == {"1", "8"}
    assert max(found["difference"].values()) < 1e-4


@pytest.mark.slow
def test_a_timm_network_of_convolutions_without_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = export(ExportOptions(variant="resnet10t", format="onnx", out=tmp_path / "a.onnx"))
    assert found["input"] == ["batch", 3, 176, 176]
    assert "resnet10t has no weights: the file gets random ones" in capsys.readouterr().err


def test_outputs_that_differ_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variant("deit_1m_patch4_32", tmp_path / "v")
    (tmp_path / "out").write_text("as it was")
    write, load, packages = FORMATS["torch-export"]
    for wrong in (
        lambda path: lambda images: load(path)(images) * 1.001,
        lambda path: lambda images: load(path)(images) * np.nan,
    ):
        monkeypatch.setitem(FORMATS, "torch-export", (write, wrong, packages))
        with pytest.raises(ScalerError, match=r"outputs differ by .* at batch 1.*no file is kept"):
            export(ExportOptions(variant=str(tmp_path / "v"), format="torch-export", out=tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "v"]


def test_what_cannot_be_traced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    monkeypatch.setattr(ModelSpec, "build", lambda _: Branching())
    with pytest.raises(ScalerError, match="has no torch-export form: "):
        export(ExportOptions(variant="deit_1m_patch4_32", format="torch-export", out=tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name.startswith("onnx") else sys)
    with pytest.raises(ScalerError, match="pip install onnx onnxscript onnxruntime"):
        export(ExportOptions(variant="deit_1m_patch4_32", format="onnx", out=tmp_path / "out"))


def test_bad_requests_are_said_in_a_line(tmp_path: Path) -> None:
    bad: list[tuple[tuple[Any, ...], str]] = [
        (("deit_1m_patch4_32", "onxx", tmp_path / "out"), "did you mean 'onnx'"),
        (("deit_1m_patch4_32", "onnx", tmp_path), "is a folder"),
        (("nothing/here", "onnx", tmp_path / "out"), "no folder 'nothing/here'"),
    ]
    for words, message in bad:
        named = dict(zip(("variant", "format", "out"), words, strict=True))
        with pytest.raises(ScalerError, match=message):
            export(ExportOptions(**named))


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    variant("deit_1m_patch4_32", tmp_path / "v")
    found = answer("export", str(tmp_path / "v"), "--format", "onnx", "--out", str(tmp_path / "a.onnx"))
    assert found["input"] == ["batch", 3, 32, 32]
    assert found["tolerance"] == TOLERANCE
    assert max(found["difference"].values()) < 1e-4
