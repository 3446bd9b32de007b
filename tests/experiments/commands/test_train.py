"""The weights from which `scaler train` starts are chosen and said."""

from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.commands.train import train
from experiments.options.train import TrainOptions
from models.networks.model_spec import model_spec_of
from models.tiny_vit.arch import TinyViTArch
from scaler.errors import ScalerError
from scaler.results.ledger import Record
from scaler.results.variant import VariantInfo

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
    options = {"data": "digits", "train_images": 60, "epochs": 1}
    return train(TrainOptions(variant=str(variant), out=out, **options, **more))


def test_a_folder_with_weights_starts_from_them_unless_asked_otherwise(
    variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = trained(variant, tmp_path / "own")
    assert "starts from its own weights; --start random trains it anew" in capsys.readouterr().err
    anew = trained(variant, tmp_path / "anew", start="random")
    assert "starts from random weights" in capsys.readouterr().err
    assert (own.start, anew.start) == ("weights", "random")
    assert own.loss != anew.loss
    card = (tmp_path / "anew" / "README.md").read_text()
    assert f"{anew.top1:.2f} % on" in card
    command = card.split("```sh\n")[1]
    assert command.startswith(f"scaler train {variant} --data digits --train-images 60 --out {tmp_path / 'anew'}")
    assert "--start random" in command


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="--start weights: tiny_vit_1m_32 has no weights"):
        train(TrainOptions(variant="tiny_vit_1m_32", data="digits", start="weights", out=tmp_path / "x"))
    assert not (tmp_path / "x").exists()
