"""From a trained seed to one smaller trained model: chosen, cut out of the seed's weights, tuned.

Two architectures compete: the one that keeps most of the seed's importance, and the seed scaled uniformly. Accuracy right after a
cut says nothing about accuracy after tuning, so both are tuned for a short time and compared on held-out images.
"""

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from experiments.data.image_set import ImageSet
from experiments.data.input_format import InputFormat
from experiments.runtime.console import say
from experiments.scoring.backend import TrainingBackend, evaluate_spec
from experiments.scoring.records import variant_info
from experiments.scoring.start import INHERITED, InheritedStart
from experiments.search.latency import LATENCY
from experiments.search.pipeline import train_variant
from experiments.search.shrink_candidates import Candidate, competing
from experiments.training.evaluation import evaluate_model
from models.inheritance.inherit import Inherited
from models.inheritance.report import Row, summary
from models.networks.model_spec import ModelSpec
from scaler.files import write_text
from scaler.json_files import write_sealed
from scaler.results.variant import VariantInfo
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace

CANDIDATES, REPORT = "candidates", "inheritance.csv"
_SHORT = 5  # a candidate is tuned for this part of the whole tuning


@dataclass(frozen=True, kw_only=True)
class Shrinking:
    """A request, with its inputs opened.

    Attributes:
        seed: the trained model.
        start: gives its weights.
        backend: tunes; None where there are no images.
        random_seed: of every draw.
    """

    seed: ModelSpec
    space: SearchSpace
    feasible: FeasibleSet
    start: InheritedStart
    backend: TrainingBackend | None
    out: Path
    random_seed: int


def shrink_seed(request: Shrinking) -> dict[str, Any]:
    """Choose, cut and tune; write the smaller model into ``request.out``, and return what happened as JSON values.

    An interrupted call continues when it is repeated.
    """
    candidates, choice = competing(request.space, request.feasible, request.start, request.out / CANDIDATES)
    if request.backend is not None:
        candidates = [_tried(candidate, request, request.backend) for candidate in candidates]
    best = max(candidates, key=lambda candidate: candidate.tuned or 0.0)
    began = time.perf_counter()
    cut = request.start.cut(best.spec)
    seconds = {"choice": choice, "cut": time.perf_counter() - began}
    write_text(request.out / REPORT, _csv(cut.report))
    if best.latency is not None:
        write_sealed(request.out / LATENCY, best.latency)
    top1 = _cut_alone(best, cut, request) if request.backend is None else _tuned(best, cut, request, request.backend)
    return {
        "folder": str(request.out),
        "budget": request.feasible.budget.text,
        "seed": {"folder": request.seed.name, **request.space.cost(request.space.seed)._asdict()},
        "candidates": [candidate.row() for candidate in candidates],
        "chosen": best.name,
        "top1": top1,
        "latency": best.latency,
        "inherited": summary(cut.report),
        "seconds": seconds,
    }


def _tried(candidate: Candidate, request: Shrinking, backend: TrainingBackend) -> Candidate:
    """Return the candidate with its held-out top-1 right after the cut and after a short tuning."""
    recipe, spec = backend.recipe, candidate.spec
    epochs = max(1, round(recipe.epochs / _SHORT))
    short = backend.with_recipe(replace(recipe, epochs=epochs, warmup_epochs=recipe.warmup_epochs * epochs / recipe.epochs))
    after_cut = _top1(request.start.cut(spec).network, spec, backend.data.holdout, backend)
    tuned = short.score(spec, _note(candidate, request), candidate.folder, seed=request.random_seed, final=False).metrics.top1
    say(f"{candidate.name}: held-out top-1 {after_cut:.2f} % right after the cut, {tuned:.2f} % after {epochs} epochs of tuning")
    return replace(candidate, after_cut=after_cut, tuned=tuned)


def _cut_alone(best: Candidate, cut: Inherited, request: Shrinking) -> dict[str, float | None]:
    """Write the cut network as it is."""
    best.spec.write(request.out, replace(_note(best, request), start=INHERITED), cut.network.state_dict())
    return {"seed": None, "after_cut": None, "tuned": None}


def _tuned(best: Candidate, cut: Inherited, request: Shrinking, backend: TrainingBackend) -> dict[str, float | None]:
    """Tune the chosen candidate in full, and return the test top-1 of the seed, of the cut and of the tuned network."""
    test, seed = backend.data.test, request.seed
    other = request.start.new_head
    before = None if other else evaluate_spec(seed, test, backend.device, backend.workers).metrics.top1
    after_cut = _top1(cut.network, best.spec, test, backend)
    record = train_variant(
        replace(best.spec, name=request.out.name),
        _note(best, request),
        backend,
        request.out,
        seed=request.random_seed,
    )
    return {"seed": before, "after_cut": after_cut, "tuned": record.top1}


def _note(candidate: Candidate, request: Shrinking) -> VariantInfo:
    return variant_info(candidate.spec, request.seed.name, request.feasible.budget.text, "chosen")


def _top1(network: nn.Module, spec: ModelSpec, images: ImageSet, backend: TrainingBackend) -> float:
    return evaluate_model(network, images, InputFormat.of(spec), backend.device, workers=backend.workers).metrics.top1


def _csv(rows: Sequence[Row]) -> str:
    """Return the origin of every tensor as CSV: name, action, shapes in the network and in the seed, the seed's tensors."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("tensor", "action", "shape", "seed_shape", "sources"))
    for row in rows:
        shapes = ("x".join(map(str, shape or ())) for shape in (row.shape, row.seed_shape))
        writer.writerow((row.name, row.action, *shapes, " ".join(row.sources)))
    return buffer.getvalue()
