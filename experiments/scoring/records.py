"""Notes and records: a model's counted cost, and its score."""

import json
from pathlib import Path

from experiments.scoring.score import Backend
from models.networks.model_spec import ModelSpec
from scaler.cost.architecture import cost_of
from scaler.results.ledger import Record
from scaler.results.score import Score
from scaler.results.variant import VariantInfo


def variant_info(spec: ModelSpec, seed_model: str, budget: str = "", role: str = "variant") -> VariantInfo:
    """Return the note of a model, with its cost counted by fvcore; see `VariantInfo` for ``role``.

    Raises:
        RuntimeError: if the count differs from the sum over the parts of its architecture.
    """
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
        role=role,
    )


def record_of(
    role: str, trial: int, spec: ModelSpec, note: VariantInfo, score: Score, backend: Backend, seed: int, origin: str = ""
) -> Record:
    """Return the ledger's record of a model that ``backend`` scored."""
    return Record(
        role=role,
        trial=trial,
        budget=note.budget,
        name=Path(spec.name).name,
        family=note.family,
        flops=note.flops,
        params=note.params,
        resolution=spec.resolution,
        score=score,
        seed=seed,
        recipe=backend.recipe_name,
        data=backend.data_name,
        arch=json.dumps(note.arch),
        origin=origin,
    )
