"""B2: the first architecture within 1 % of 1.27 GFLOPs and at most 5.4 M parameters, confirmed by fvcore, in a new process."""

import json
from statistics import median

from benchmarks.measure import Figures, cold
from benchmarks.problem import SEED, budget
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space


def run(quick: bool) -> Figures:
    return compare(repeats=1 if quick else 5, limit=20.0 if quick else 300.0)


def compare(*, repeats: int, limit: float) -> Figures:
    """Medians over ``repeats`` processes of each; ``limit``: seconds after which TPE is stopped (its time then is a lower bound).

    Rejection's time is the one to expect: what a candidate takes, over the exact share of the space that is feasible.
    """
    feasible = FeasibleSet(open_space(SEED), budget())
    processes, ours = _timed("ours", max(repeats, 3), limit)
    _, tpe = _timed("tpe", repeats, limit)
    _, rejection = _timed("rejection", 1, limit)
    ours_s, tpe_s = (median(run["s"] for run in runs) for runs in (ours, tpe))
    rejection_s = median(run["s"] / run["trials"] for run in rejection) * feasible.space.size / feasible.size
    return {
        "ours_s": ours_s,
        "tpe_s": tpe_s,
        "tpe_trials": median(run["trials"] for run in tpe),
        "tpe_stopped": sum(run["s"] >= limit for run in tpe),
        "rejection_s": rejection_s,
        "speedup_vs_tpe": tpe_s / ours_s,
        "speedup_vs_rejection": rejection_s / ours_s,
        "ours_with_imports_s": median(processes),
    }


def _timed(what: str, repeats: int, limit: float) -> tuple[list[float], list[dict[str, float]]]:
    """(seconds of whole processes, what each printed) for seeds 0, 1, ..."""
    runs = [cold("benchmarks.cold_first", what, str(seed), str(limit)) for seed in range(repeats)]
    return [took for took, _ in runs], [json.loads(printed) for _, printed in runs]
