"""All scores of the networks of a table, and the file that keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.data.image_set import ImageSet
from experiments.data.input_format import InputFormat
from experiments.ranking.elastic_members import ElasticMembers
from experiments.ranking.readings import TRAINING_PASSES, Probe, Reading
from experiments.ranking.replaced_parts import ReplacedParts
from experiments.ranking.shared_views import SharedCrops
from experiments.ranking.short_trainings import ShortTraining
from experiments.ranking.trainings import Workshop
from experiments.ranking.zero_cost import Costs, nwot, synflow
from models.inheritance.members import member_rule
from models.inheritance.prepared_seed import PreparedSeed, prepare
from models.inheritance.rule import Rule
from models.networks.model_spec import open_model_spec
from scaler.json_files import append_sealed, read_sealed, read_sealed_lines

SCORES = "scores.jsonl"
_REMEDY = "restore it, or delete it, and the scores are computed again"
_NWOT_IMAGES, _CALIBRATION_IMAGES = 128, 256
_STEPS = (10, 21, 42)  # 5, 10 and 20 % of the 210 updates of a training


@dataclass(frozen=True, kw_only=True)
class Score:
    """The reading of the score ``name`` of network number ``net`` of a group."""

    name: str
    group: str
    net: int
    reading: Reading


def probes(shop: Workshop, seed_folder: Path) -> list[Probe]:
    """Return the probes of a table, the cheapest first."""
    seed = _seed(shop, seed_folder, Rule(batch_norm=True))
    return [
        Costs(),
        synflow(),
        nwot(_first(shop, _NWOT_IMAGES)),
        ReplacedParts(seed=seed),
        ShortTraining(shop=shop, steps=0, seed=seed),
        *(ShortTraining(shop=shop, steps=steps, seed=start) for steps in _STEPS for start in (seed, None)),
    ]


def elastic_probe(shop: Workshop, elastic_folder: Path) -> ElasticMembers:
    """Return the probe of members of an elastic seed, whose making the networks of both groups share."""
    made, networks = read_sealed(elastic_folder / "result.json", dict[str, Any], _REMEDY), 2 * shop.settings.nets
    return ElasticMembers(
        cut=ShortTraining(shop=shop, steps=0, seed=_seed(shop, elastic_folder, member_rule())),
        flops=TRAINING_PASSES * made["train_flops"] // networks,
        seconds=made["seconds"] / networks,
    )


def read_scores(folder: Path) -> list[Score]:
    """Return the scores that `add_scores` kept in ``folder``."""
    return read_sealed_lines(folder / SCORES, Score, _REMEDY)


def add_scores(folder: Path, scores: Iterable[Score]) -> None:
    """Append ``scores`` to those that are kept in ``folder``."""
    for score in scores:
        append_sealed(folder / SCORES, score)


def _seed(shop: Workshop, folder: Path, rule: Rule) -> PreparedSeed:
    spec = open_model_spec(str(folder))
    crops = _first(shop, _CALIBRATION_IMAGES).batches(InputFormat.of(spec))
    arch: Any = spec.arch
    return prepare(spec.build(), arch, rule, crops)


def _first(shop: Workshop, number: int) -> SharedCrops:
    """Return the first training images, which are random ones."""
    images: ImageSet = shop.data.train
    return SharedCrops(images=replace(images, indices=images.indices[:number]))
