"""What a store was made of, and what must agree with a run that reads it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.data.augmentation import Augmentation
from experiments.data.image_set import ImageData
from experiments.recipes import Recipe
from scaler.errors import ScalerError
from scaler.files import write_json

MANIFEST, FORMAT = "manifest.json", 1
_DRAWING = ("pillow", "timm", "torchvision", "torch", "numpy")  # a new version of any may draw other pixels from the same seed


def versions() -> dict[str, str]:
    return {name: version(name) for name in _DRAWING}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that decides a store's content.

    Attributes:
        teacher: digest of its weights; ``resolution``, ``mean`` and ``std`` are of its input.
        epochs: how many are stored. A student that trains longer sees them again from the first on.
        seed: of the order and the augmentation, and of the choice of held-out images.
        parts: training images, and held-out ones that only a final training sees; ``images`` is a digest of both.
        train_images: how many were asked for, or None for all.
        rows: inputs in each file.
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
        """Inputs in an epoch."""
        return sum(self.parts)

    @property
    def digest(self) -> str:
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the store in ``folder``.

        Raises:
            ScalerError: there is none, or it is damaged or of a later format.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise ScalerError(f"{folder} holds no stored logits ({MANIFEST} is missing): `scaler teach` makes them")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.get("format") != FORMAT:
                raise ScalerError(f"{path} has format {data.get('format')}, not {FORMAT}: teach into another folder")
            data["augmentation"] = Augmentation(**_tupled(data["augmentation"]))
            return cls(**_tupled(data))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ScalerError(f"{path} is damaged ({error}): teach into another folder") from error

    def require_same(self, other: "Manifest", folder: Path) -> None:
        """Raises ScalerError, naming the first difference, where ``other`` is not what ``folder`` was begun with."""
        for name, ours, theirs in _differences(asdict(self), asdict(other)):
            raise ScalerError(
                f"{folder} was begun with {name} = {ours}, not {theirs}: choose another --out or the same arguments"
            )

    def require_fit(self, data: ImageData, recipe: Recipe, folder: Path) -> None:
        """Raises ScalerError, naming the first difference, where a run on ``data`` by ``recipe`` cannot read the store."""
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
        """Versions that are others now, in words; empty for none."""
        now = versions()
        pairs = [(name, then, now[name]) for name, then in self.versions.items() if now.get(name, then) != then]
        return ", ".join(f"{name} was {then} and is {found}" for name, then, found in pairs)


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, value in ours.items():
        other = theirs.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            yield from _differences(value, other, f"{prefix}{name}.")
        elif value != other:
            yield f"{prefix}{name}", value, other


def _tupled(data: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples they were."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
