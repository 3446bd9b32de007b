"""Data sets of images: the embedded digits, folders, and timm's, each with training, held-out and test images.

The test images are the data set's own validation split, or its test split if it has no other. Of a folder with ``train/``,
``val/`` and ``test/`` they are those in ``val/``; ``test/`` is then never read. Only final scores use the test images; searches
compare candidates on the held-out images, a stratified part of the training images.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.data.bad_images import check, without_bad_images
from experiments.data.image_set import HOLDOUT_SHARE, ImageData, ImageSet, Source
from experiments.data.sources import Arrays, Files, open_timm
from experiments.data.splits import count_classes, stratified_split, stratified_subset
from scaler.errors import ScalerError, UnknownNameError

FORMS = {
    "digits": "scikit-learn's 1,797 scans of handwritten digits, 8 x 8, embedded",
    "folder:PATH": "class folders of images: train/ with val/ (test/ if there is no val/), or one tree that is split",
    "torch/NAME:ROOT": "torchvision's, as timm names them: torch/fashion_mnist:ROOT, torch/cifar10:ROOT, ...",
    "hfds/NAME:ROOT": "Hugging Face's map-style data sets, as timm names them",
}
_TEST_FRACTION, _HOLDOUT_MOST = 0.2, 10_000
_TEST_FOLDERS = ("val", "validation", "test")
_TIMM = ("torch", "hfds", "hfids", "tfds", "wds")  # prefixes of timm's names
_IN_SEQUENCE = ("hfids", "tfds", "wds")  # no access to an image by its index
# A mirrored digit or letter is another one, or none.
_NO_FLIP = ("mnist", "digits", "svhn", "kmnist", "omniglot", "usps")
_FLIP_ALL_THE_SAME = ("fashion",)


def open_data(
    spec: str,
    *,
    train_images: int | None = None,
    seed: int = 0,
    holdout_share: float = HOLDOUT_SHARE,
    skip_bad: bool = False,
) -> ImageData:
    """Return the data set that ``spec`` names (see `FORMS`).

    Args:
        train_images: keep a stratified random subset of this many training images, held-out images included.
        seed: of the choice of held-out images and of the subset.
        holdout_share: fraction of the training images to hold out, 10,000 at most.
        skip_bad: leave out files of a folder that cannot be read.

    Raises:
        ScalerError: if the form is unknown, a folder is missing or empty, there are fewer than two classes or too few images to
            hold some out, or an image cannot be read.
    """
    kind, _, place = spec.partition(":")
    skipped: dict[str, str] = {}
    if spec == "digits":
        training, test = _digits()
    elif kind == "folder":
        training, test, skipped = _folder(_existing(place), spec, skip_bad)
    elif kind.startswith(tuple(f"{library}/" for library in _TIMM)):
        training, test = _timm(kind, place)
    else:
        raise _unknown(spec)
    rng = np.random.default_rng(seed)
    if train_images is not None:
        training = stratified_subset(training, train_images, spec, rng)
    train, holdout = stratified_split(training, holdout_share, rng, most=_HOLDOUT_MOST)
    if not len(holdout) or not len(test):
        raise ScalerError(f"{spec} leaves {len(holdout)} images to hold out and {len(test)} to test on: give each class 3")
    names, num_classes = training.source.class_names, count_classes(training, test, spec)
    return ImageData(
        name=spec if kind in ("digits", "folder") else kind,
        num_classes=num_classes,
        train=train,
        holdout=holdout,
        test=test,
        hflip=not any(word in kind for word in _NO_FLIP) or any(word in kind for word in _FLIP_ALL_THE_SAME),
        class_names=names if len(names) == num_classes else (),
        train_images=train_images,
        seed=seed,
        holdout_share=holdout_share,
        skipped=skipped,
    )


def peek_num_classes(spec: str) -> int | None:
    """Return the number of classes of ``spec`` without reading its images; None for data sets that must be opened for it.

    Raises:
        ScalerError: if ``spec`` is a folder that does not exist.
    """
    if spec == "digits":
        return 10
    if spec.startswith("folder:"):
        return len(_class_folders(_training_root(_existing(spec.removeprefix("folder:")))))
    return None


def _unknown(spec: str) -> ScalerError:
    """Return the error for a ``spec`` of no known form; a path is told how a folder is written."""
    if Path(spec).is_absolute() or spec.startswith((".", "~")) or (spec and Path(spec).is_dir()):
        return ScalerError(f"unknown data set {spec!r}: a folder of images is written folder:{spec}")
    return UnknownNameError("data set", spec, FORMS)


def _digits() -> tuple[ImageSet, ImageSet]:
    from sklearn.datasets import load_digits

    scans = load_digits()
    pixels = (scans.images * (255 / 16)).round().astype(np.uint8)  # 17 levels of grey
    everything = _all(Arrays(pixels, scans.target.astype(np.int64), tuple("0123456789")))
    return stratified_split(everything, _TEST_FRACTION, np.random.default_rng(0))


def _folder(root: Path, spec: str, skip_bad: bool) -> tuple[ImageSet, ImageSet, dict[str, str]]:
    """Return the images in ``root``/train and in its test folder, or a split of ``root``, always the same one.

    The third value has the files that were left out, with the reason of each.

    The test folder is the first that exists of ``val``, ``validation`` and ``test``; the others are not read.
    """
    training_root = _training_root(root)
    classes = _class_folders(training_root)
    if len(classes) < 2:
        names = f"only {classes[0]!r}" if classes else "no folder of images"
        raise ScalerError(f"{training_root} holds {names}: it needs one folder of images for each of at least 2 classes")
    tests = [root / name for name in _TEST_FOLDERS if (root / name).is_dir()] if training_root != root else []
    unknown = sorted(set(_class_folders(tests[0])) - set(classes)) if tests else []
    if unknown:
        raise ScalerError(f"{tests[0]} has classes that {training_root} has not: {', '.join(unknown[:5])}; make both the same")
    files = [_files_of(place, classes) for place in (training_root, *tests[:1])]
    skipped: dict[str, str] = {}
    if skip_bad:
        files, skipped = without_bad_images(files, spec)
    else:
        check(files, spec)
    training, *test = map(_all, files)
    split = (training, test[0]) if test else stratified_split(training, _TEST_FRACTION, np.random.default_rng(0))
    return *split, skipped


def _timm(name: str, root: str) -> tuple[ImageSet, ImageSet]:
    library = name.partition("/")[0]
    if library in _IN_SEQUENCE:
        raise ScalerError(f"{name!r} has no fixed order to draw from: use a map-style data set (torch/, hfds/) or a folder")
    if library == "torch" and not root:
        raise ScalerError(f"{name!r} lacks its place: write {name}:ROOT with the folder that torchvision keeps it in")
    training = _all(open_timm(name, root, "train"))
    try:
        return training, _all(open_timm(name, root, "validation"))
    except ScalerError:
        return training, _all(open_timm(name, root, "test"))


def _existing(place: str) -> Path:
    root = Path(place)
    if not place or not root.is_dir():
        raise ScalerError(f"no folder {place!r}: folder:PATH takes a folder that holds train/ and val/, or one folder a class")
    return root


def _training_root(root: Path) -> Path:
    return root / "train" if (root / "train").is_dir() else root


def _class_folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and any(images_in(entry)))


def images_in(folder: Path) -> Iterator[str]:
    """Yield the paths of the files in ``folder`` and below that have an image's suffix."""
    known = Image.registered_extensions()
    return (str(path) for path in folder.rglob("*") if path.suffix.lower() in known and path.is_file())


def _files_of(root: Path, classes: list[str]) -> Files:
    found = [(path, label) for label, name in enumerate(classes) for path in sorted(images_in(root / name))]
    return Files(tuple(path for path, _ in found), np.asarray([label for _, label in found], np.int64), tuple(classes))


def _all(source: Source) -> ImageSet:
    return ImageSet(source, np.arange(len(source.labels)))
