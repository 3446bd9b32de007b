import gzip
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.data import bad_images
from experiments.data.datasets import open_data, peek_num_classes
from experiments.data.image_set import ImageData
from experiments.data.input_format import InputFormat
from experiments.data.sources import class_names_of
from experiments.training.evaluation import evaluate_model
from scaler.errors import ScalerError, UnknownNameError
from scaler.json_files import read_sealed

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_data("digits")


def class_folders(root: Path, digits: ImageData, classes: int = 3, each: int = 12) -> Path:
    """Real scans as PNG files, one folder for each class."""
    for label in range(classes):
        (root / f"digit{label}").mkdir(parents=True)
        for i in np.flatnonzero(digits.train.labels == label)[:each]:
            digits.train.image(int(i)).save(root / f"digit{label}" / f"{i}.png")
    return root


def test_digits_are_split_without_overlap_and_by_class(digits: ImageData) -> None:
    parts = (digits.train, digits.holdout, digits.test)
    assert sorted(np.concatenate([part.indices for part in parts]).tolist()) == list(range(1797))
    assert [len(part) for part in parts] == [1295, 143, 359]
    for part in parts:
        assert np.bincount(part.labels).min() > 0.08 * len(part)
    assert digits.num_classes == peek_num_classes("digits") == 10
    assert not digits.hflip
    assert digits.train.image(0).mode == "RGB"


def test_a_data_set_knows_its_classes_names_and_its_split(tmp_path: Path, digits: ImageData) -> None:
    assert digits.class_names == tuple("0123456789")
    part = open_data("digits", train_images=200, seed=3)
    assert (digits.train_images, digits.seed, part.train_images, part.seed) == (None, 0, 200, 3)
    assert open_data(f"folder:{class_folders(tmp_path, digits)}").class_names == ("digit0", "digit1", "digit2")


def test_names_of_timms_data_sets_are_their_classes() -> None:
    """ImageNet's are tuples of synonyms; Hugging Face's reader has indices alone."""
    by_name = SimpleNamespace(targets=[0, 1], classes=[("tench", "Tinca tinca"), "goldfish"])
    by_index = SimpleNamespace(reader=SimpleNamespace(targets=[0, 1], class_to_idx={"dog": 1, "cat": 0}))
    neither = SimpleNamespace(targets=[0, 1])
    found = [class_names_of(dataset) for dataset in (by_name, by_index, neither)]
    assert found == [("tench, Tinca tinca", "goldfish"), ("cat", "dog"), ()]


def test_the_test_images_do_not_depend_on_the_seed_and_the_held_out_ones_do(digits: ImageData) -> None:
    other = open_data("digits", seed=1)
    assert np.array_equal(other.test.indices, digits.test.indices)
    assert not np.array_equal(other.holdout.indices, digits.holdout.indices)


def test_final_training_takes_the_held_out_images_back(digits: ImageData) -> None:
    final = digits.for_final_training()
    assert set(final.train.indices) == set(digits.train.indices) | set(digits.holdout.indices)
    assert len(final.train) == 1438


def test_a_part_of_the_training_images_keeps_the_classes_shares() -> None:
    part = open_data("digits", train_images=200)
    assert len(part.train) + len(part.holdout) == 200
    both = np.concatenate([part.train.labels, part.holdout.labels])
    assert np.bincount(both).tolist() == pytest.approx([20] * 10, abs=2)
    with pytest.raises(ScalerError, match="--train-images 9999: digits has 1438 training images"):
        open_data("digits", train_images=9999)


def test_a_tree_of_class_folders_is_split(tmp_path: Path, digits: ImageData) -> None:
    spec = f"folder:{class_folders(tmp_path, digits)}"
    data = open_data(spec)
    assert data.num_classes == peek_num_classes(spec) == 3
    assert len(data.train) + len(data.holdout) + len(data.test) == 36
    assert np.bincount(data.test.labels).tolist() == [2, 2, 2]
    assert data.hflip


def test_train_and_val_folders_are_taken_as_they_are(tmp_path: Path, digits: ImageData) -> None:
    class_folders(tmp_path / "train", digits)
    class_folders(tmp_path / "val", digits, each=4)
    data = open_data(f"folder:{tmp_path}")
    assert len(data.test) == 12
    assert np.array_equal(np.asarray(data.test.image(0)), np.asarray(Image.open(tmp_path / "val" / "digit0" / first(tmp_path))))


def first(root: Path) -> str:
    return sorted(path.name for path in (root / "val" / "digit0").iterdir())[0]


def test_a_folder_named_test_is_read_only_without_val(tmp_path: Path, digits: ImageData) -> None:
    class_folders(tmp_path / "train", digits)
    class_folders(tmp_path / "test", digits, each=5)
    assert len(open_data(f"folder:{tmp_path}").test) == 15
    class_folders(tmp_path / "val", digits, each=4)
    assert len(open_data(f"folder:{tmp_path}").test) == 12


def test_deep_images_are_scaled_and_told_of_once(tmp_path: Path, digits: ImageData, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(tmp_path / "train", digits)
    class_folders(tmp_path / "val", digits, each=4)
    open_data(f"folder:{tmp_path}")
    assert capsys.readouterr().err == ""
    ramp = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        Image.fromarray(ramp).save(tmp_path / split / "digit0" / f"{name}.png")
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "train" / "digit1" / "f.tif")
    data = open_data(f"folder:{tmp_path}")
    found = np.asarray(data.test.image(4))
    assert found.shape == (16, 16, 3)
    assert np.array_equal(found[..., 0].ravel(), np.arange(256))
    told = "3 of 52 images of 16 bits and 1 of 52 images of 32 bits are scaled to 8"
    assert capsys.readouterr().err == f"folder:{tmp_path}: {told}\n"


def test_a_bad_folder_is_refused_with_its_reason(tmp_path: Path, digits: ImageData) -> None:
    def refused(message: str, folder: Path = tmp_path) -> None:
        with pytest.raises(ScalerError, match=message):
            open_data(f"folder:{folder}")

    refused("no folder '.*/none'", tmp_path / "none")
    refused("holds no folder of images")
    class_folders(tmp_path / "one", digits, classes=1)
    refused("holds only 'digit0': it needs one folder of images for each of at least 2 classes", tmp_path / "one")
    class_folders(tmp_path / "two" / "train", digits, classes=2)
    class_folders(tmp_path / "two" / "val", digits, classes=3)
    refused("has classes that .* has not: digit2", tmp_path / "two")


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"no image", lambda _: b""])
def test_a_corrupt_image_is_named_before_any_work(tmp_path: Path, digits: ImageData, damage: Any) -> None:
    root = class_folders(tmp_path, digits)
    broken = sorted((root / "digit1").iterdir())[3]
    broken.write_bytes(damage(broken.read_bytes()))
    with pytest.raises(ScalerError, match=f"cannot read the image .*{broken.name}"):
        open_data(f"folder:{root}")


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_breaks_later_is_named_in_one_line(tmp_path: Path, digits: ImageData, workers: int) -> None:
    """Without care a loader's worker would wrap the message in a traceback."""
    images = open_data(f"folder:{class_folders(tmp_path, digits)}").train
    broken = Path(images.source.paths[int(images.indices[5])])  # type: ignore[attr-defined]
    broken.write_bytes(broken.read_bytes()[:50])
    input_format = InputFormat(resolution=8, mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(ScalerError) as caught:
        evaluate_model(torch.nn.Flatten(), images, input_format, torch.device("cpu"), workers=workers)
    assert re.fullmatch(rf"cannot read the image {broken} \(.*\): repair or remove it", str(caught.value))


def test_a_set_too_small_to_test_on_is_refused(tmp_path: Path, digits: ImageData) -> None:
    class_folders(tmp_path / "one_each", digits, each=1)
    with pytest.raises(ScalerError, match="leaves 0 images to hold out and 0 to test on: give each class 3"):
        open_data(f"folder:{tmp_path / 'one_each'}")
    class_folders(tmp_path / "empty" / "train", digits)
    (tmp_path / "empty" / "val").mkdir()
    with pytest.raises(ScalerError, match="and 0 to test on"):
        open_data(f"folder:{tmp_path / 'empty'}")


@pytest.mark.parametrize("number", [-5, 0, 1, 1439])
def test_an_impossible_number_of_training_images_is_refused(number: int) -> None:
    with pytest.raises(ScalerError, match=f"--train-images {number}: digits has 1438 training images; ask for 2 to 1438"):
        open_data("digits", train_images=number)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("torch/fashion_mnist", "lacks its place: write torch/fashion_mnist:ROOT"),
        ("torch/nope:somewhere", "timm cannot open 'torch/nope' at 'somewhere': Unknown torchvision dataset nope"),
        ("wds/imagenet:somewhere", "has no fixed order to draw from: use a map-style data set"),
        ("some/folder", "unknown data set 'some/folder'"),
        ("", "unknown data set '': known: digits, folder:PATH, hfds/NAME:ROOT, torch/NAME:ROOT"),
    ],
)
def test_a_place_that_is_no_data_set_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ScalerError, match=message):
        open_data(spec)


@pytest.mark.parametrize("as_written", ["{}", "./images", "images", "../here/images"])
def test_a_folder_without_its_prefix_is_refused_with_the_right_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_written: str
) -> None:
    images = tmp_path / "here" / "images"
    images.mkdir(parents=True)
    monkeypatch.chdir(images.parent)
    given = as_written.format(images)
    with pytest.raises(ScalerError, match=f"unknown data set '{given}': a folder of images is written folder:{given}$"):
        open_data(given)


def test_opening_loads_no_library_that_is_not_needed() -> None:
    found = "print({'torch', 'timm', 'sklearn'} & {*sys.modules})"
    code = f"import sys, experiments.data.datasets as d; d.peek_num_classes('digits'); {found}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_unknown_data_lists_the_forms() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'digitz': did you mean 'digits'"):
        open_data("digitz")


def test_a_timm_data_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match=r"timm cannot open 'torch/fashion_mnist' at .*: Dataset not found"):
        open_data(f"torch/fashion_mnist:{tmp_path}")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_read_through_timm(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in FASHION.glob("*.gz"):
        with gzip.open(packed) as source, (raw / packed.stem).open("wb") as target:
            shutil.copyfileobj(source, target)
    data = open_data(f"torch/fashion_mnist:{tmp_path}", train_images=10_000)
    assert (len(data.train), len(data.holdout), len(data.test)) == (9000, 1000, 10_000)
    assert (data.name, data.num_classes, data.hflip) == ("torch/fashion_mnist", 10, True)
    assert data.test.image(0).size == (28, 28)


def unreadable_and_odd(folder: Path) -> set[str]:
    """Write images of unusual kinds, of which half cannot be read; return the names of these."""
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    image.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(folder / "sixteen.png")
    image.save(folder / "animated.gif", save_all=True, append_images=[image.rotate(90)])
    image.save(folder / "whole.png")
    (folder / "truncated.png").write_bytes((folder / "whole.png").read_bytes()[:45])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image")
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head)
    return {"truncated.png", "empty.png", "text.jpg", "huge.png"}


def test_unreadable_images_are_left_out_as_if_they_were_deleted(
    tmp_path: Path, digits: ImageData, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = class_folders(tmp_path / "images", digits)
    bad = unreadable_and_odd(root / "digit1")
    with pytest.raises(ScalerError, match=r"cannot read the image .*/digit1/.*--on-bad-image skip"):
        open_data(f"folder:{root}")
    data = open_data(f"folder:{root}", skip_bad=True)
    told = capsys.readouterr().err
    assert "4 unreadable images left out: " in told
    assert "1 of 40 images of 16 bits are scaled to 8" in told
    assert {Path(path).name for path in data.skipped} == bad
    bad_images.record_skipped(data.skipped, tmp_path)
    assert read_sealed(tmp_path / "skipped_images.json", dict[str, Any], "") == {"images": data.skipped}
    monkeypatch.setattr(bad_images, "_read", None)  # the outcome is kept for the folder as it is
    assert open_data(f"folder:{root}", skip_bad=True).skipped == data.skipped
    monkeypatch.undo()
    for name in bad:
        (root / "digit1" / name).unlink()
    assert [part.digest() for part in (data.train, data.holdout, data.test)] == [
        part.digest() for part in (open_data(f"folder:{root}").train, open_data(f"folder:{root}").holdout, data.test)
    ]


def test_a_class_that_loses_all_its_images_is_named(tmp_path: Path, digits: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = class_folders(tmp_path / "images", digits)
    (root / "worse").mkdir()
    (root / "worse" / "a.png").write_bytes(b"")
    with pytest.raises(ScalerError, match="no image of the class 'worse' can be read"):
        open_data(f"folder:{root}", skip_bad=True)
