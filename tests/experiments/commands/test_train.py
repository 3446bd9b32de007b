"""The weights from which `scaler train` starts are chosen and said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.commands.train import train
from experiments.options.train import TrainOptions
from models.networks.model_spec import model_spec_of, open_model_spec
from models.tiny_vit.arch import TinyViTArch
from scaler.errors import ScalerError
from scaler.results.ledger import Ledger, Record
from scaler.results.variant import VariantInfo, read_info

ARCH = TinyViTArch(
    embed_dims=(16, 16, 32, 32),
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_sizes=(4, 4, 2, 1),
    resolution=16,
    num_classes=10,
)


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    """A variant with weights that no seed draws."""
    spec, info = (
        model_spec_of("v", ARCH),
        VariantInfo(family="tiny_vit", arch=ARCH.to_dict(), seed_model="s", budget="", flops=1, params=1),
    )
    torch.manual_seed(99)
    spec.write(tmp_path / "v", info, spec.build().state_dict())
    return tmp_path / "v"


def trained(variant: Path, out: Path, **more: Any) -> Record:
    options: dict[str, Any] = {"data": "digits", "train_images": 60, "epochs": 1, **more}
    return train(TrainOptions(variant=str(variant), out=out, **options))


def test_a_folder_with_weights_starts_from_them_unless_asked_otherwise(
    variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = trained(variant, tmp_path / "own")
    assert "starts from its own weights; --start random trains it anew" in capsys.readouterr().err
    anew = trained(variant, tmp_path / "anew", start="random")
    assert "starts from random weights" in capsys.readouterr().err
    assert (own.start, anew.start) == ("weights", "random")
    assert own.loss != anew.loss


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="--start weights: tiny_vit_1m_32 has no weights"):
        train(TrainOptions(variant="tiny_vit_1m_32", data="digits", start="weights", out=tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_a_finished_model_is_not_replaced_by_another_request(
    variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    first = trained(variant, out)
    weights = (out / "model.safetensors").read_bytes()
    requests: list[tuple[dict[str, Any], str]] = [
        ({"train_images": 80}, "train_images = 60, not 80"),
        ({"recipe": "proxy"}, "recipe = small, not proxy"),
        ({"seed": 1}, "seed = 0, not 1"),
        ({"start": "random"}, r"start = weights \w+, not random"),
        ({"teacher": str(variant)}, r"teacher = unset, not \w+"),
    ]
    for changes, difference in requests:
        with pytest.raises(ScalerError, match=rf"out holds a model trained with {difference}: choose another --out"):
            trained(variant, out, **changes)
    assert (out / "model.safetensors").read_bytes() == weights
    assert trained(variant, out, save_every=1.0, accumulate=2) == first
    (out / "train.json").write_text("{}")
    assert trained(variant, out) == first
    assert "train.json is damaged" in capsys.readouterr().err
    (out / "train.json").unlink()
    with pytest.raises(ScalerError, match="out holds a model of another request"):
        trained(variant, out, seed=1)


def test_a_missing_configuration_is_written_again(variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, path = trained(variant, tmp_path / "out"), tmp_path / "out" / "config.json"
    config = path.read_bytes()
    path.unlink()
    assert trained(variant, tmp_path / "out") == first
    assert path.read_bytes() == config
    assert "config.json was missing and is written again" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["chosen", "baseline", "variant"])
def test_the_role_of_a_variant_goes_into_the_ledger(variant: Path, tmp_path: Path, role: str) -> None:
    info = read_info(variant)
    assert info is not None
    open_model_spec(str(variant)).write(variant, replace(info, role=role))
    record = trained(variant, tmp_path / "out")
    assert (record.role, [row.role for row in Ledger(tmp_path / "out" / "ledger.csv")]) == (role, [role])
    again = read_info(tmp_path / "out")
    assert again is not None
    assert again.role == role
