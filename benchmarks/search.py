"""Searches and baselines at equal compute: `python -m benchmarks search`, simulated in worlds that agree with the table of truth.

Each search spends the same compute: short trainings of its candidates, then full trainings of its finalists, by the same
calibration and choice as `scaler search`. A rule of thumb needs none. All are judged by the true score of their choice. `--train`
trains networks instead (`benchmarks.search_trained`). `python -m benchmarks.search` prints the table of docs/searching.md.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.measure import Figures
from benchmarks.ranking import KEPT
from benchmarks.worlds import Kept, World, read_kept
from experiments.ranking.truth import TruthTable
from scaler.arrays import Floats, Ints
from scaler.results.calibration import CheapScores, calibrate, spread_out
from scaler.results.intervals import mean_with_interval
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.trials.history import History
from scaler.trials.optuna_samplers import ConstrainedSampler
from scaler.trials.sampler import noted_of
from scaler.trials.strategies import strategy
from scaler.trials.strategy import ProposalContext, Strategy
from search_spaces.baselines import baselines
from search_spaces.problem import spaces
from search_spaces.scaling_rules import RULES

Point = tuple[int, ...]
RESULT = Path(__file__).parents[1] / "docs" / "studies" / "search.json"
_BUDGETS = ("flops=0.74M..0.76M", "flops=1.485M..1.515M", "flops=2.97M..3.03M")
_MIDDLE = slice(1, 2)  # the budget of the table's networks of equal FLOPs
_COMPUTE = 10.0  # full trainings that a search may cost
_WORLDS, _QUICK_WORLDS, _POOL = 10, 2, 4000
_REJECTED = 20  # proposals of Optuna's samplers in a row, before a random draw


@dataclass(frozen=True, kw_only=True)
class Method:
    """A search.

    Attributes:
        strategy: proposes its candidates.
        finalists: networks that are trained in full.
        teachers: of them, those taken for their spread over resolutions and sizes; the others are expected to be the best.
    """

    strategy: str
    finalists: int = 2
    teachers: int = 0


OURS, SLOW = "ours", "gp"  # whose proposals take seconds, so that `python -m benchmarks search` leaves it out
METHODS: dict[str, Method] = {
    OURS: Method(strategy="surrogate"),
    "law": Method(strategy="law"),
    "random": Method(strategy="uniform"),
    "tpe": Method(strategy="tpe"),
    "contraction": Method(strategy="contraction"),
    "ours_without_finalists": Method(strategy="surrogate", finalists=0),
    "ours_with_teachers": Method(strategy="surrogate", finalists=5, teachers=3),
    SLOW: Method(strategy="gp"),
}
_QUICK_METHODS = (OURS, "law", "random", "ours_without_finalists")


@dataclass(kw_only=True)
class Search:
    """One search in one world, under one budget."""

    world: World
    space: SearchSpace
    feasible: FeasibleSet
    seed: int
    seconds: list[float] = field(default_factory=list)

    def run(self, method: Method) -> Point:
        """Return the choice of ``method``."""
        trials = int((_COMPUTE - method.finalists) / self.world.share)
        points = self._candidates(method, trials)
        cheap = self.world.cheap(points)
        if not method.finalists:
            return as_tuple(points[int(cheap.argmax())])
        scores = CheapScores(scores=cheap, noise=0.0, groups=self._resolutions(points), axes=self._axes(points))
        full: dict[int, list[float]] = {}
        for number in range(method.finalists):
            taught = spread_out(scores, method.teachers)
            order = np.argsort(-calibrate(scores, full).mean)
            best = taught[number] if number < method.teachers else next(int(i) for i in order if int(i) not in full)
            full[best] = [float(self.world.full(points[[best]])[0])]
        mean = calibrate(scores, full).mean
        return as_tuple(points[max(full, key=lambda net: float(mean[net]))])

    def _candidates(self, method: Method, trials: int) -> Ints:
        proposer, notes = _patient(strategy(method.strategy, trials)), list[Mapping[str, Any]]()
        first, points = baselines(self.space, [self.feasible], self.seed), np.zeros((0, len(self.space.variables)), np.int64)
        for number in range(trials):
            scores = self.world.cheap(points)[:, None] if number else np.zeros((0, 1))
            history = History(self.space, points, scores, np.ones(number), notes)
            rng = np.random.default_rng([self.seed, number])
            context = ProposalContext(self.space, [self.feasible], number, history, rng)
            began = perf_counter()
            proposal = first[number] if number < len(first) else proposer.propose(context)
            self.seconds.append(perf_counter() - began)
            notes.append(noted_of(proposal))
            points = np.concatenate([points, np.array([proposal.point])])
        return points[
            [self.space.arch(as_tuple(point)) in self.feasible for point in points]
        ]  # not those on the way to the budget

    def _resolutions(self, points: Ints) -> Ints:
        return points[:, list(self.space.variables).index("resolution")]

    def _axes(self, points: Ints) -> Floats:
        archs = [self.space.arch(as_tuple(point)) for point in points]
        depths = [sum(value for name, value in arch.values().items() if name.startswith("depths")) for arch in archs]
        return np.log(np.array([[*self.space.cost(arch), depth] for arch, depth in zip(archs, depths, strict=True)], float))


def _patient(proposer: Strategy) -> Strategy:
    """Return a strategy of Optuna's with fewer rejections before a random draw: a narrow budget would cost it minutes."""
    return replace(proposer, most_rejected=_REJECTED) if isinstance(proposer, ConstrainedSampler) else proposer


def run(quick: bool) -> Figures:
    names = _QUICK_METHODS if quick else tuple(name for name in METHODS if name != SLOW)
    return compare(KEPT, _QUICK_WORLDS if quick else _WORLDS, names)


def compare(folder: Path, worlds: int, names: Sequence[str]) -> Figures:
    """Return for each budget the true top-1 of every choice, ours less that of each other, and the share of the way covered."""
    settings = TruthTable(folder).settings
    space, _ = spaces(settings.seed_model, _BUDGETS, num_classes=10)
    kept = read_kept(folder, space)
    has_range = len({space.cost(space.arch(point)).flops // 100_000 for point in kept.points}) > 3
    budgets = _BUDGETS if has_range else _BUDGETS[_MIDDLE]
    figures: Figures = {"worlds": worlds, "networks": len(kept.tops), "compute": _COMPUTE, "cheap_share": kept.share}
    for text in budgets:
        figures[text] = _of_budget(text, settings.seed_model, kept, worlds, names)
    return figures


def _of_budget(text: str, seed_model: str, kept: Kept, worlds: int, names: Sequence[str]) -> Figures:
    space, (feasible,) = spaces(seed_model, [text], num_classes=10)
    rules = {name: as_tuple(np.array(rule(space, feasible))) for name, rule in RULES.items()}
    tops: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    covered, pools = list[float](), list[Floats]()
    for seed in range(worlds):
        world = World(kept, space, seed)
        chosen = {name: world.true(np.array([point]))[0] for name, point in rules.items()}
        for name in names:
            search = Search(world=world, space=space, feasible=feasible, seed=seed)
            chosen[name] = world.true(np.array([search.run(METHODS[name])]))[0]
            seconds.setdefault(name, []).extend(search.seconds[len(RULES) :])
        pool = world.true(feasible.sample_points(_POOL, np.random.default_rng([seed, 9])))
        best = max([*chosen.values(), float(pool.max())])
        covered.append((chosen[OURS] - pool.mean()) / (best - pool.mean()))
        pools.append(pool)
        for name, top1 in chosen.items():
            tops.setdefault(name, []).append(float(top1))
    figures: Figures = {name: mean_with_interval(found) for name, found in tops.items()}
    figures |= {f"ours_minus_{name}": _ahead(tops[OURS], found) for name, found in tops.items() if name != OURS}
    figures |= {"gap_covered": mean_with_interval(covered), "average": float(np.mean(pools))}
    return figures | {"proposal_s": {name: float(np.median(found)) for name, found in seconds.items()}}


def _ahead(ours: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Return ours less the others', world by world."""
    return mean_with_interval([one - other for one, other in zip(ours, others, strict=True)])


def table(figures: Figures) -> str:
    """Return the figures of each budget as a table in Markdown, the highest mean first."""
    parts = [_of_text(text, found) for text, found in figures.items() if isinstance(found, dict)]
    return "\n\n".join(parts)


def _of_text(text: str, found: Figures) -> str:
    names = [name for name in found if (isinstance(found[name], dict) and f"ours_minus_{name}" in found) or name == OURS]
    lines = [f"| `{text}` | true top-1 | ours ahead by |", "| --- " * 3 + "|"]
    for name in sorted(names, key=lambda name: -found[name]["mean"]):
        lines.append(f"| `{name}` | {shown(found[name])} | {shown(found.get(f'ours_minus_{name}'))} |")
    covered = found["gap_covered"]
    return "\n".join(lines) + (
        f"\n\nThe average network has {found['average']:.2f} %. Ours covers {100 * covered['mean']:.0f} % "
        f"({100 * covered['low']:.0f} to {100 * covered['high']:.0f} %) of the way to the best known one."
    )


def shown(found: Mapping[str, float] | None) -> str:
    return "{mean:.2f} ({low:.2f} to {high:.2f})".format(**found) if found else ""


def as_tuple(point: Ints) -> Point:
    return tuple(int(i) for i in point)


if __name__ == "__main__":
    print(table(json.loads(RESULT.read_text(encoding="utf-8"))["figures"]))
