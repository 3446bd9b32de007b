"""B8: a smaller network with weights out of a large one, under a budget: ours, NVIDIA modelopt, and Torch-Pruning.

The large networks have random weights, as only times and costs are compared. They are built before the time is taken. Times are
CPU seconds of the process, which has one thread, so that other work on the machine does not count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import median
from time import process_time
from typing import Any

from benchmarks.measure import Figures, one_thread
from benchmarks.problem import SEED, TARGET_FLOPS, budget
from benchmarks.pruning_peers import PEERS, Peer, require_peers
from models.inheritance import prepared_seed
from models.inheritance.choice import choose
from models.inheritance.inherit import inherit_from
from models.inheritance.rule import Rule
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.budget import Bound, Budget
from scaler.cost.fvcore_count import count
from scaler.space.feasible_set import FeasibleSet
from search_spaces import open_space


@dataclass(frozen=True, kw_only=True)
class Task:
    """A seed to shrink to ``flops``, within ``budget``."""

    seed: str
    flops: int
    budget: Budget

    @property
    def arch(self) -> Any:
        return SEEDS[self.seed]


def _half(seed: str) -> Task:
    flops = open_space(seed).cost(SEEDS[seed]).flops // 2
    return Task(seed=seed, flops=flops, budget=Budget((("flops", Bound(0.99 * flops, flops)),), "half"))


TASKS = {
    "tiny_vit": Task(seed=SEED, flops=TARGET_FLOPS, budget=budget()),
    "deit": _half("deit_small_patch16_224"),
    "swin": _half("swin_tiny_patch4_window7_224"),
}


_TIMES = ("structure", "choice", "cut", "build")


def run(quick: bool) -> Figures:
    one_thread()
    require_peers()
    return ours(TASKS, repeats=2 if quick else 5) | peers(["deit"] if quick else TASKS, PEERS)


def ours(tasks: Mapping[str, Task], repeats: int) -> Figures:
    """By task: seconds to trace the seed's structure, once for all cuts, to choose and to cut; and the miss of the FLOPs.

    A cut includes that timm builds the smaller network, but not the draws of its weights; ``*_build_s`` is a building with
    them. ``tiny_vit_s`` and the like are the seconds to choose and to cut, ``worst_gap`` is the greatest miss.
    """
    figures: dict[str, Any] = {}
    for name, task in tasks.items():
        runs = [_once(task) for _ in range(repeats)]
        figures |= {f"{name}_{what}_s": median(run[what] for run in runs) for what in _TIMES}
        figures[f"{name}_s"] = figures[f"{name}_choice_s"] + figures[f"{name}_cut_s"]
        figures[f"{name}_gap"] = max(run["gap"] for run in runs)
    return figures | {"worst_gap": max(figures[f"{name}_gap"] for name in tasks)}


def _once(task: Task) -> dict[str, float]:
    network = build(task.arch)
    prepared_seed._structure.cache_clear()  # which would spare all repeats but the first
    began = process_time()
    seed = prepared_seed.prepare(network, task.arch, Rule())
    prepared = process_time()
    arch: Any = choose(FeasibleSet(open_space(task.seed), task.budget), seed)[0]
    chosen = process_time()
    cut = inherit_from(seed, arch).network
    done = process_time()
    gap = abs(count(cut, arch.resolution, 3).flops - task.flops) / task.flops
    building = process_time()
    build(arch)
    built = process_time() - building
    return {"structure": prepared - began, "choice": chosen - prepared, "cut": done - chosen, "build": built, "gap": gap}


def peers(names: Iterable[str], of: Mapping[str, Peer]) -> Figures:
    """By task and peer: its seconds and its miss of the FLOPs in words, and as numbers where it raised no error."""
    figures: dict[str, Any] = {}
    for name, (peer, shrink) in product(names, of.items()):
        figures |= {f"{name}_{peer}{what}": value for what, value in _peer_once(TASKS[name], shrink).items()}
    return figures


def _peer_once(task: Task, shrink: Peer) -> dict[str, Any]:
    network = build(task.arch).eval()
    began = process_time()
    try:
        smaller = shrink(network, task.arch.resolution, task.flops)
        took = process_time() - began
        flops = count(smaller, task.arch.resolution, 3).flops
    except Exception as error:  # of its own, or fvcore's about what it left
        return {"": f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"}
    gap = (flops - task.flops) / task.flops
    return {"_s": took, "_gap": abs(gap), "": f"{took:.1f} s, {gap:+.1%} FLOPs"}
