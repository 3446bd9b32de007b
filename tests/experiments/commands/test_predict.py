"""`scaler predict`: names, order and probabilities of classes, and the images that it reads."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from experiments import cli
from experiments.commands.predict import predict
from experiments.data.input_format import InputFormat
from experiments.data.pixels import to_rgb
from experiments.options.train import PredictOptions
from experiments.scoring.records import variant_info
from models.networks.model_spec import model_spec_of, open_model_spec
from scaler.errors import ScalerError
from tests.experiments.commands.test_train import ARCH

NAMES = ("blé d'été", "two words", *"cdefghij")


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A variant of ten classes with random weights."""
    folder = tmp_path_factory.mktemp("variant") / "v"
    torch.manual_seed(5)
    spec = model_spec_of("v", ARCH).with_label_names(NAMES)
    spec.write(folder, variant_info(spec, "s"), spec.build().state_dict())
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with an image of each kind that the loader reads, and one file that is none."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8))
    folder = tmp_path / "the images"
    (folder / "deeper").mkdir(parents=True)
    colours.save(folder / "b.png")
    colours.convert("L").save(folder / "grey.png")
    colours.convert("CMYK").save(folder / "cmyk.jpg")
    colours.convert("RGBA").save(folder / "deeper" / "alpha.png")
    Image.fromarray(rng.integers(0, 65536, (20, 20), np.uint16)).save(folder / "deep.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def predicted(variant: Path, *images: Path, **more: Any) -> list[dict[str, Any]]:
    return predict(PredictOptions(variant=str(variant), images=images, **more))


def test_every_kind_of_image_is_read_as_the_training_reads_it(variant: Path, images: Path) -> None:
    found = predicted(variant, images, topk=10)
    names = ["b.png", "cmyk.jpg", "deep.png", "deeper/alpha.png", "grey.png"]
    assert [one["file"] for one in found] == [str(images / name) for name in names]
    spec = open_model_spec(str(variant))
    network, transform = spec.build().eval(), InputFormat.of(spec).evaluation_transform()
    for one in found:
        with Image.open(one["file"]) as image, torch.no_grad():
            expected = network(transform(to_rgb(image))[None]).double().softmax(1)[0]
        given = {top["label"]: top["probability"] for top in one["top"]}
        assert given == pytest.approx(dict(zip(NAMES, expected.tolist(), strict=True)), abs=1e-6)
        assert list(given.values()) == sorted(given.values(), reverse=True)


def test_the_order_is_that_of_the_arguments(variant: Path, images: Path) -> None:
    first, second = images / "grey.png", images / "b.png"
    found = predicted(variant, first, second, first, topk=1)
    assert [one["file"] for one in found] == [str(first), str(second), str(first)]
    assert found[0] == found[2]
    assert [len(one["top"]) for one in found] == [1, 1, 1]


def test_many_images_go_in_batches(variant: Path, images: Path) -> None:
    (one,) = predicted(variant, images / "b.png")
    many = predicted(variant, *[images / "b.png"] * 150, loader_workers=1)
    assert len(many) == 150
    for other in many:
        assert [top["label"] for top in other["top"]] == [top["label"] for top in one["top"]]


def test_what_cannot_be_predicted_is_named(variant: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    for image, message in (
        (tmp_path / "bad.jpg", r"cannot read the image .*bad.jpg"),
        (tmp_path / "none.jpg", r"no file .*none.jpg"),
        (tmp_path / "empty", "holds no images"),
    ):
        with pytest.raises(ScalerError, match=message):
            predicted(variant, images, image)
    with pytest.raises(ScalerError, match="tiny_vit_1m_32 has no weights: train it first"):
        predicted(Path("tiny_vit_1m_32"), images)


def test_a_variant_without_names_numbers_its_classes(images: Path, tmp_path: Path) -> None:
    spec = model_spec_of("v", ARCH)
    spec.write(tmp_path / "v", variant_info(spec, "s"), spec.build().state_dict())
    (one,) = predicted(tmp_path / "v", images / "b.png", topk=99)
    assert sorted(top["label"] for top in one["top"]) == list("0123456789")


def on_the_command_line(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["scaler", "predict", *words])
    return cli.run()


def test_on_the_command_line(
    variant: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_the_command_line(monkeypatch, str(variant), str(images), "--topk", "10", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [set(one) for one in found] == [{"file", "top"}] * 5
    assert {top["label"] for one in found for top in one["top"]} == set(NAMES)
    assert on_the_command_line(monkeypatch, str(variant), str(images / "b.png"), "--topk", "10") == 0
    table = capsys.readouterr().out
    assert "blé d'été" in table
    assert "two words" in table
    (tmp_path / "bad.png").write_bytes(b"")
    assert on_the_command_line(monkeypatch, str(variant), str(images), str(tmp_path / "bad.png"), "--json") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "cannot read the image" in said.err
    assert "bad.png" in said.err
    assert len(said.err.strip().splitlines()) == 1
