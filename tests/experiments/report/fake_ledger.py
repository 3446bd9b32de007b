"""A made-up search: three budgets, trials under each, one variant of each trained in full, and the seed."""

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.report.runs import Run
from scaler.budget import Bound, Budget
from scaler.json_files import write_sealed
from scaler.results.frontier import FrontierInfo
from scaler.results.ledger import Ledger, Record
from scaler.results.score import Metrics, Score
from tests.scaler.results.records import changed

ARCH = json.dumps({"embed_dims": [32, 64, 96], "depths": [1, 2, 1], "mlp_ratio": 3.0, "resolution": 32, "num_classes": 10})
SEED = Record(
    role="seed", trial=-1, budget="", name="big_seed", family="tiny_vit", flops=35_000_000, params=1_000_000, resolution=32,
    score=Score(metrics=Metrics(top1=98.9, top5=100.0, loss=0.05, images=360), split="test", epochs=60, seconds=80.0),
    seed=0, recipe="small", data="digits", arch=ARCH,
)  # fmt: skip
BUDGETS = tuple(Budget((("flops", Bound(high=m * 1e6)),), f"flops={m}M") for m in (5, 10, 20))


def fake_info(trials: int = 30, *, finished: bool = True, data: str = "digits", seed: int = 0) -> FrontierInfo:
    """Return records whose accuracy grows with the logarithm of FLOPs, plus noise; only trials unless ``finished``."""
    rng = random.Random(seed)
    records = [_trial(i, BUDGETS[i % len(BUDGETS)], rng) for i in range(trials)]
    if finished:
        tops = {r.budget: r for r in sorted(records, key=lambda r: r.top1)}
        common = {"role": "chosen", "trial": -1, "split": "test", "images": 360, "epochs": 60, "recipe": "small"}
        records += [changed(r, **common, name=f"small-{r.budget}", top1=97.0 + i / 2) for i, r in enumerate(tops.values())]
        records.append(SEED)
    return FrontierInfo(records=tuple(changed(record, data=data) for record in records), budgets=BUDGETS)


def fake_run(
    info: FrontierInfo, *, request: Mapping[str, Any] | None = None, result: Mapping[str, Any] | None = None, name: str = "run-1"
) -> Run:
    """Return the contents of the folder of a run that found ``info``."""
    return Run(path=Path(name), records=info.records, budgets=info.budgets, request=request or {}, result=result or {})


def fake_result(name: str = "trial-0003") -> dict[str, Any]:
    """Return a ``result.json`` that chose the trial ``name`` under the first budget."""
    choice = {
        "budget": BUDGETS[0].text, "chosen": {"name": name, "origin": "surrogate"}, "reason": "the highest top-1 of 9",
        "path": [{"step": 0}, {"step": 1}], "baselines": [{"name": "trial-0000", "origin": "uniform scaling", "top1": 61.0}],
        "neighbours": [{"name": "trial-0007", "lost_by": 0.5, "changed": {"depths[1]": [2, 1]}}],
    }  # fmt: skip
    return {"budgets": [choice], "importances": {"resolution": 0.7, "depths[1]": 0.3}}


def write_run(path: Path, info: FrontierInfo) -> Path:
    """Write the folder of a run that found ``info``."""
    path.mkdir(parents=True)
    ledger = Ledger(path / "ledger.csv")
    for record in info.records:
        ledger.append(record)
    bounds = [{"text": b.text, "bounds": {k: [v.low or None, int(v.high)] for k, v in b.bounds}} for b in info.budgets]
    asked = {"seed": "big_seed", "budgets": [b.text for b in info.budgets], "data": info.records[0].data, "recipe": "proxy",
             "strategy": "contraction", "trials": len(info.records), "draw_seed": 0, "bounds": bounds}  # fmt: skip
    write_sealed(path / "run.json", asked)
    return path


def _trial(i: int, budget: Budget, rng: random.Random) -> Record:
    flops = round(budget["flops"].high * rng.uniform(0.6, 1))
    top1 = round(60 + 10 * math.log(flops / 2e6) + rng.gauss(0, 2), 2)
    params = flops // 30 + rng.randrange(300_000)
    return changed(
        SEED, role="trial", trial=i, budget=budget.text, name=f"trial-{i:04d}", flops=flops, params=params, top1=top1,
        split="holdout", images=144, epochs=3, recipe="proxy", seconds=3.2,
    )  # fmt: skip
