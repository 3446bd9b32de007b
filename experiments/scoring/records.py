"""Notes and records: a target's cost, counted and compared, and a score with what it is of."""

import json
from dataclasses import asdict
from pathlib import Path

from experiments.scoring.score import Backend, Score
from models.networks.model_spec import ModelSpec
from scaler.cost.architecture import cost_of
from scaler.results.ledger import Record
from scaler.results.variant import VariantInfo


def variant_info(spec: ModelSpec, seed_model: str, budget: str = "") -> VariantInfo:
    """The note of a target, its cost counted by fvcore and, where its family is ours, equal to the sum over its parts."""
    counted = spec.count()
    arch = spec.arch
    if arch is not None and counted != cost_of(arch):
        raise RuntimeError(f"fvcore counts {counted}, the parts sum to {cost_of(arch)}: {arch}")
    described = {} if arch is None else arch.to_dict()
    return VariantInfo(
        family=arch.family if arch else "",
        arch=described,
        seed_model=seed_model,
        budget=budget,
        flops=counted.flops,
        params=counted.params,
    )


def record_of(
    role: str, trial: int, spec: ModelSpec, note: VariantInfo, score: Score, backend: Backend, seed: int, origin: str = ""
) -> Record:
    scored = asdict(score)
    del scored["pruned"]
    return Record(
        role=role,
        trial=trial,
        budget=note.budget,
        name=Path(spec.name).name,
        family=note.family,
        flops=note.flops,
        params=note.params,
        resolution=spec.resolution,
        seed=seed,
        recipe=backend.recipe_name,
        data=backend.data_name,
        arch=json.dumps(note.arch),
        origin=origin,
        **scored,
    )
