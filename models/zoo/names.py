"""Model names: from a text as a user writes it to the model that it names, without loading torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from models.zoo.seeds import SEEDS
from models.zoo.timm_names import is_timm_model, timm_model_names
from scaler.errors import ScalerError, UnknownNameError

_MOST = 4  # names suggested
_ALIKE = 0.6  # difflib's own limit
_SEED_BONUS = 0.05  # a seed is suggested before a timm model that is spelled hardly more alike


@dataclass(frozen=True, kw_only=True)
class SeedName:
    """The name of a seed (`models.zoo.seeds.SEEDS`)."""

    name: str


@dataclass(frozen=True, kw_only=True)
class VariantFolder:
    """The folder of a variant."""

    folder: Path


@dataclass(frozen=True, kw_only=True)
class TimmName:
    """The name of a timm model that is no seed, with a tag or without."""

    name: str


ModelName = SeedName | VariantFolder | TimmName


def resolve_model_name(text: str) -> ModelName:
    """Return the model that ``text`` names: a seed, else a folder, else a timm model.

    Raises:
        UnknownNameError: if ``text`` names none; the message suggests the closest names.
        ScalerError: if ``text`` is the path of a folder that does not exist.
    """
    if text in SEEDS:
        return SeedName(name=text)
    if Path(text).is_dir():
        return VariantFolder(folder=Path(text))
    if is_timm_model(text):
        return TimmName(name=text)
    if Path(text).name != text:
        raise ScalerError(f"no folder {text!r}: give a variant's folder, a seed or a timm model")
    names = timm_model_names()
    raise UnknownNameError("model", text, SEEDS, near=_closest_tags(text, names) or _closest_models(text, names))


def require_timm_model(name: str) -> None:
    """Check that timm itself has the model ``name``, with a tag or without.

    Raises:
        UnknownNameError: if it has not; the message suggests the closest of its names.
    """
    if is_timm_model(name):
        return
    names = timm_model_names()
    near = _closest_tags(name, names) or _most_alike(name, names) or _closest_models(name, names)
    raise UnknownNameError("timm model", name, names, near=[known for known in near if known in names])


def _closest_tags(text: str, timm_names: Sequence[str]) -> list[str]:
    """Return names of the same timm architecture with a tag that exists; empty where ``text`` has no such architecture."""
    architecture = text.partition(".")[0]
    if architecture == text or architecture not in timm_names:
        return []
    tagged = [name for name in timm_names if name.startswith(f"{architecture}.")]
    return [architecture, *get_close_matches(text, tagged, n=_MOST - 1, cutoff=0)]


def _closest_models(text: str, timm_names: Iterable[str]) -> list[str]:
    """Return the models whose names begin with ``text``, seeds first, else the ones spelled most alike."""
    untagged = [name for name in timm_names if "." not in name]
    for names in (SEEDS, untagged):
        if begun := [name for name in names if _squashed(name).startswith(_squashed(text))]:
            return begun[:_MOST]
    return _most_alike(text, [*SEEDS, *(name for name in untagged if name not in SEEDS)])


def _most_alike(text: str, names: Iterable[str]) -> list[str]:
    matcher = SequenceMatcher(b=text)  # which remembers what it knows of the second text
    found: dict[str, float] = {}
    for name in names:
        matcher.set_seq1(name)
        if matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE:
            found[name] = matcher.ratio() + _SEED_BONUS * (name in SEEDS)
    return [name for name, score in found.items() if score == max(found.values())][:_MOST]


def _squashed(name: str) -> str:
    """Return ``name`` in lower case without what joins its words: ``tiny_vit_21m`` and ``TinyViT-21M`` are alike."""
    return name.lower().translate(str.maketrans("", "", "_- "))
