"""A worker whose candidates are scored in closed form: ``python -m benchmarks.trial_worker FOLDER TRIALS STRATEGY``."""

import json
import sys
from pathlib import Path

from experiments.runtime.parent import end_with_parent
from scaler.cost.architecture import Architecture
from scaler.results.ledger import Record
from scaler.results.score import Metrics, Score
from scaler.trials.candidate import Candidate, LostTrialError
from scaler.trials.strategies import STRATEGIES, strategy
from scaler.trials.study import SearchStudy
from search_spaces.problem import spaces

SEED, BUDGETS, WORKERS = "tiny_vit_1m_32", ("flops=1M..2M", "flops=60%"), 4
SPACE, SETS = spaces(SEED, BUDGETS)


def open_study(folder: Path, name: str, trials: int) -> SearchStudy:
    """Open the study in ``folder`` as a search of `WORKERS` workers does."""
    lag = WORKERS if STRATEGIES[name].learns else max(WORKERS, trials)
    return SearchStudy(folder, SPACE, SETS, strategy(name, trials), 0, lag=lag)


def tell(study: SearchStudy, asked: Candidate) -> None:
    """Score a candidate by its FLOPs, and tell the study; nothing if another worker has taken it over."""
    record = record_of(asked.number, asked.budget, asked.origin, asked.arch)
    try:
        study.tell(asked, record.top1, record.row())
    except LostTrialError as error:
        print(error, file=sys.stderr)


def record_of(number: int, budget: int, origin: str, arch: Architecture) -> Record:
    """Return the record of a candidate that is scored by its FLOPs."""
    cost = SPACE.cost(arch)
    metrics = Metrics(top1=50 + cost.flops / 10**6, top5=99.0, loss=1.0, images=1000)
    return Record(
        role="trial", trial=number, budget=BUDGETS[budget], name=f"trial-{number:04d}", seed=0, family=arch.family,
        flops=cost.flops, params=cost.params, resolution=arch.resolution, recipe="closed form", data="made up", origin=origin,
        score=Score(metrics=metrics, split="holdout", epochs=1.0, seconds=0.0), arch=json.dumps(arch.to_dict()),
    )  # fmt: skip


if __name__ == "__main__":
    place, number, name = sys.argv[1:]
    end_with_parent()
    study = open_study(Path(place), name, int(number))
    for candidate in study.ask(int(number)):
        with study.training(candidate):
            tell(study, candidate)
