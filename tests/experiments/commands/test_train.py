"""The weights from which `scaler train` starts are chosen and said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.commands.train import train
from experiments.options.train import TrainOptions
from experiments.scoring.records import variant_info
from experiments.training.divergence import DivergenceWatch
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
    card = (tmp_path / "anew" / "README.md").read_text()
    assert f"{anew.top1:.2f} % on" in card
    command = card.split("```sh\n")[1]
    assert command.startswith(f"scaler train {variant} --data digits --train-images 60 --out {tmp_path / 'anew'}")
    assert "--start random" in command


def test_a_training_keeps_the_threads_that_it_began_with(variant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that would give it another number; the caller's own is restored."""
    used: list[int] = []
    check_loss = DivergenceWatch.check_loss

    def watched(watch: DivergenceWatch, loss_sum: float) -> None:
        used.append(torch.get_num_threads())
        check_loss(watch, loss_sum)
        if len(used) == 2:  # after the first epoch's checkpoint
            raise KeyboardInterrupt

    before = torch.get_num_threads()
    monkeypatch.setattr(DivergenceWatch, "check_loss", watched)
    with pytest.raises(KeyboardInterrupt):
        trained(variant, tmp_path / "run", epochs=3, threads=2)
    trained(variant, tmp_path / "run", epochs=3)
    assert set(used) == {2}
    assert torch.get_num_threads() == before


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="--start weights: tiny_vit_1m_32 has no weights"):
        train(TrainOptions(variant="tiny_vit_1m_32", data="digits", start="weights", out=tmp_path / "x"))
    assert not (tmp_path / "x").exists()


CLASSES = ("blé d'été", "grand ciel", "æ")


def folder_of_images(root: Path, classes: tuple[str, ...] = CLASSES, each: int = 8) -> str:
    """A folder of noise in as many colours as classes."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = rng.integers(0, 60, (20, 20, 3), np.uint8)
            pixels[..., label % 3] += 190
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return f"folder:{root}"


def test_other_classes_get_a_new_head_and_a_recipe_made_for_it(
    variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder_of_images(tmp_path / "images")
    record = train(TrainOptions(variant=str(variant), data=data, out=tmp_path / "tuned", epochs=1))
    said = capsys.readouterr().err.splitlines()
    assert said.count(
        f"{variant} starts from its own weights for 10 classes and the 3 of {data} are others: its head is replaced by a new "
        "one, and the recipe is finetune"
    )
    assert (record.start, record.recipe) == ("weights", "finetune")
    tuned = open_model_spec(str(tmp_path / "tuned"))
    assert (tuned.num_classes, tuned.label_names) == (3, tuple(sorted(CLASSES)))
    own = train(TrainOptions(variant=str(variant), data=data, out=tmp_path / "own", epochs=1, recipe="proxy"))
    assert (own.start, own.recipe) == ("weights", "proxy")
    anew = train(TrainOptions(variant=str(variant), data=data, out=tmp_path / "anew", epochs=1, start="random"))
    assert (anew.start, anew.recipe) == ("random", "small")
    assert record.loss != anew.loss


def test_as_many_classes_of_other_names_are_others(variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(variant, tmp_path / "digits")
    data = folder_of_images(tmp_path / "images", tuple("abcdefghij"), each=5)
    train(TrainOptions(variant=str(tmp_path / "digits"), data=data, out=tmp_path / "letters", epochs=1))
    assert "its head is replaced by a new one" in capsys.readouterr().err
    assert open_model_spec(str(tmp_path / "letters")).label_names == tuple("abcdefghij")
    again = train(TrainOptions(variant=str(tmp_path / "letters"), data=data, out=tmp_path / "again", epochs=1))
    assert "head is replaced" not in capsys.readouterr().err
    assert (again.start, again.recipe) == ("weights", "small")


def test_weights_of_another_resolution_are_resized(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = open_model_spec("deit_1m_patch4_32")
    spec.write(tmp_path / "v", variant_info(spec, spec.name, "flops=60%"), spec.build().state_dict())
    record = trained(tmp_path / "v", tmp_path / "out", resolution=24)
    said = capsys.readouterr().err
    assert "tables of positions, if any, are resized to 24 pixels" in said
    assert "so that it may exceed" not in said
    assert (record.resolution, record.start) == (24, "weights")


def test_a_resolution_that_may_exceed_the_budget_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = open_model_spec("deit_1m_patch4_32", resolution=24)
    spec.write(tmp_path / "v", variant_info(spec, spec.name, "flops=60%"))
    trained(tmp_path / "v", tmp_path / "out", resolution=32)
    assert "FLOPs at 32 px instead of" in (said := capsys.readouterr().err)
    assert "so that it may exceed flops=60%" in said


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


def test_a_training_that_is_repeated_has_one_row_and_a_damaged_ledger_is_mended(
    variant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    first = trained(variant, out)
    rows = (out / "ledger.csv").read_text()
    (out / "model.safetensors").unlink()  # so that it is trained again, in another time
    assert trained(variant, out).loss == first.loss
    assert (out / "ledger.csv").read_text() == rows
    (out / "ledger.csv").write_text(rows.replace("digits", "digitz"))
    trained(variant, out)
    assert "ledger.csv is damaged (line 2: the row does not match its digest), and was set aside" in capsys.readouterr().err
    assert [row.loss for row in Ledger(out / "ledger.csv")] == [first.loss]
