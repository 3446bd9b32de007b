"""The manifest of a store: everything that decides its content, and the checks of a run that reads it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.data.augmentation import Augmentation
from experiments.data.image_set import ImageData
from experiments.options.common import MAX_CLASSES
from experiments.recipes import Recipe
from scaler.errors import DamagedFileError, ScalerError
from scaler.files import write_json
from scaler.json_files import check_form, read_json

_REMEDY = "restore it, or teach into another folder"
MANIFEST, FORMAT = "manifest.json", 1
_MOST_ROWS = 2**20  # of a file, and the most files
_DRAWING = ("pillow", "timm", "torchvision", "torch", "numpy")  # a new version of any may draw other pixels from the same seed


def versions() -> dict[str, str]:
    """Return the installed versions of the libraries that draw and augment images."""
    return {name: version(name) for name in _DRAWING}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that decides a store's content.

    Attributes:
        teacher: digest of the teacher's weights.
        resolution, mean, std: of the teacher's input.
        topk: number of classes kept of each output.
        epochs: number of stored epochs. A student that trains longer sees them again from the first on.
        seed: of the order, the augmentation and the choice of held-out images.
        parts: numbers of training images and of held-out images, which only a final training sees.
        images: digest of the training and held-out images.
        train_images: number of training images asked for, or None for all.
        rows: inputs in each file.
        versions: of the libraries that draw and augment images.
    """

    teacher: str
    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    topk: int
    temperature: float
    encoding: str
    epochs: int
    seed: int
    data: str
    parts: tuple[int, ...]
    images: str
    train_images: int | None
    augmentation: Augmentation
    rows: int
    versions: dict[str, str] = field(default_factory=versions)
    format: int = FORMAT

    @property
    def length(self) -> int:
        """Number of inputs in an epoch."""
        return sum(self.parts)

    @property
    def digest(self) -> str:
        """A digest of all fields, which the store's files carry."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Write the manifest to ``folder``."""
        write_json(folder / MANIFEST, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Return the manifest of the store in ``folder``.

        Raises:
            ScalerError: if there is none, or it is damaged or of another format.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise ScalerError(f"{folder} holds no stored logits ({MANIFEST} is missing): `scaler teach` makes them")
        data = read_json(path, dict[str, Any], _REMEDY)
        if data.get("format") != FORMAT:
            raise ScalerError(f"{path} has format {data.get('format')}, not {FORMAT}: teach into another folder")
        check_form(data, cls, path, _REMEDY)
        if unknown := data.keys() ^ {item.name for item in fields(cls)}:
            raise DamagedFileError(path, f"missing or unknown: {', '.join(sorted(unknown))}", _REMEDY)
        # Numbers stay as they were written, since the digest is of their text.
        try:
            found = cls(**_tupled({**data, "augmentation": Augmentation(**_tupled(data["augmentation"]))}))
        except TypeError as error:
            raise DamagedFileError(path, str(error), _REMEDY) from error
        if fault := found._fault_of_sizes():
            raise DamagedFileError(path, fault, _REMEDY)
        return found

    def _fault_of_sizes(self) -> str:
        """Return in words why no store has these sizes; empty if one can."""
        if not 1 <= self.rows <= _MOST_ROWS:
            return f"rows = {self.rows}: a file has 1 to {_MOST_ROWS:,}"
        if not 1 <= self.topk <= self.num_classes <= MAX_CLASSES:
            return f"topk = {self.topk} of {self.num_classes} classes: take 1 to all, of at most {MAX_CLASSES:,}"
        if min(*self.parts, self.epochs, self.length - 1) < 0 or self.epochs * self.length > _MOST_ROWS * self.rows:
            return f"{self.epochs:.6g} epochs of {self.length:.6g} inputs in files of {self.rows:,}: no store is that large"
        return ""

    def require_same(self, other: "Manifest", folder: Path) -> None:
        """Check that ``other`` equals this manifest, which the store in ``folder`` was begun with.

        Raises:
            ScalerError: if they differ; the message names the first difference.
        """
        for name, ours, theirs in _differences(asdict(self), asdict(other)):
            raise ScalerError(
                f"{folder} was begun with {name} = {ours}, not {theirs}: choose another --out or the same arguments"
            )

    def require_fit(self, data: ImageData, recipe: Recipe, folder: Path) -> None:
        """Check that a run on ``data`` by ``recipe`` can read the store in ``folder``.

        Raises:
            ScalerError: if it cannot; the message names the first difference.
        """
        final = data.for_final_training()
        expected = {
            "num_classes": data.num_classes,
            "parts": final.parts,
            "images": final.train.digest(),
            "augmentation": asdict(Augmentation.of(recipe, data.hflip)),
            "temperature": recipe.temperature,
        }
        stored = {name: value for name, value in asdict(self).items() if name in expected}
        for name, ours, theirs in _differences(stored, expected):
            raise ScalerError(
                f"the logits in {folder} were stored with {name} = {ours}, and this run has {theirs}: "
                "use the data, --train-images and a recipe like those of `scaler teach`, or teach again"
            )

    def changed_versions(self) -> str:
        """Return the library versions that have changed since, in words; an empty text if none has."""
        now = versions()
        pairs = [(name, then, now[name]) for name, then in self.versions.items() if now.get(name, then) != then]
        return ", ".join(f"{name} was {then} and is {found}" for name, then, found in pairs)


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the name and both values of each entry of ``ours`` that differs in ``theirs``."""
    for name, value in ours.items():
        other = theirs.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            yield from _differences(value, other, f"{prefix}{name}.")
        elif value != other:
            yield f"{prefix}{name}", value, other


def _tupled(data: dict[str, Any]) -> dict[str, Any]:
    """Turn the lists that JSON makes of tuples back into tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
