"""Tell what the spaces around TinyViT-21M, DeiT-B and Swin-B hold at 224 pixels, and where smaller published models lie in them.

`python -m experiments.studies.published_scale --out DIR` takes about 75 seconds of one core; `--smoke` takes one budget. Nothing
is trained, and no pretrained weights are read: members are counted exactly, and chosen by rules that need no weights.
Expected: each published size but Mini-Swin-T is a member of its seed model's space, and one of many within its own costs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Annotated, Any

import torch
import typer
from torch import nn

from experiments.runtime.console import print_json, say
from experiments.studies.results import markdown, write_results
from models.common.architecture import VisionTransformer
from models.inheritance.choice import choose
from models.inheritance.prepared_seed import PreparedSeed, prepare
from models.inheritance.rule import Rule
from models.zoo.families import build
from scaler.budget import Bound, Budget
from scaler.cost.architecture import Architecture, cost_of
from scaler.space.additive_optimum import exact_optimum, score_shapes
from scaler.space.feasible_set import FeasibleSet
from scaler.space.search_space import SearchSpace
from scaler.space.segment_tables import segment_tables
from search_spaces import open_space
from search_spaces.compound_scaling import compound_scaling
from search_spaces.spaces import architecture

# Seed models, and the published smaller models of their families.
SMALLER = {
    "tiny_vit_21m_224": ("tiny_vit_11m_224", "tiny_vit_5m_224"),
    "deit_base_patch16_224": ("deit_small_patch16_224", "deit_tiny_patch16_224"),
    "swin_base_patch4_window7_224": ("swin_small_patch4_window7_224", "swin_tiny_patch4_window7_224"),
    "mini_deit_base_patch16_224": ("mini_deit_small_patch16_224", "mini_deit_tiny_patch16_224"),
    "mini_swin_base_224": ("mini_swin_small_224", "mini_swin_tiny_224"),
}
_SMOKE = {"deit_base_patch16_224": ("deit_tiny_patch16_224",)}
_NEAR = 0.01
_WARM_UP = 2


def study(
    out: Annotated[Path, typer.Option("--out")],
    runs: Annotated[int, typer.Option("--runs", help="Of each network that is timed.", min=1)] = 9,
    smoke: Annotated[bool, typer.Option("--smoke", help="One budget of one seed model, few runs.")] = False,
) -> None:
    """Count and measure, print the rows as JSON and write them to ``out``/results.json, after every seed model."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for seed, names in (_SMOKE if smoke else SMALLER).items():
        around = Around(space=open_space(seed))
        for name in names:
            say(f"{name} in the space of {seed}")
            rows.append(around.row(name, 1 if smoke else runs))
        write_results(out, "published_scale", {"device": "cpu, one thread"}, rows, summary(rows))
    print_json(summary(rows))


@dataclass(frozen=True, kw_only=True, eq=False)
class Around:
    """The space around a seed model."""

    space: SearchSpace

    @cached_property
    def alike(self) -> PreparedSeed | None:
        """The seed model with every channel of equal importance, which no weights decide; None for a multiplexed one."""
        seed = self.space.seed
        if not isinstance(seed, VisionTransformer) or not seed.is_plain:
            return None
        return prepare(build(seed), seed, Rule(channels="first"))

    def row(self, name: str, runs: int) -> dict[str, Any]:
        """Return the place of a published model in the space, and the latencies of members of its costs."""
        published, cost = architecture(name), cost_of(architecture(name))
        within = FeasibleSet(self.space, Budget((("flops", Bound(high=cost.flops)), ("params", Bound(high=cost.params)))))
        near = within.under(Budget(tuple((key, _around(value)) for key, value in cost._asdict().items())))
        equal = within.under(Budget((("flops", _around(cost.flops)),)))
        fewer = equal.under(equal.budget.within("params", Bound(high=cost.params - 1)))
        counts = {"space": self.space.size, "within": within.size, "near": near.size, "equal": equal.size, "fewer": fewer.size}
        members = {"published": published, **dict(self._members(within, cost.flops))}
        return {
            "seed": self.space.name, "published": name, "inside": published in within, **counts,
            "params": equal.bounds()["params"],
            "members": [{"member": way, **_measured(arch, runs)} for way, arch in members.items()],
        }  # fmt: skip

    def _members(self, within: FeasibleSet, flops: int) -> Iterator[tuple[str, Architecture]]:
        """Yield members by rules that need no weights."""
        yield "uniform scaling", self.space.arch(compound_scaling(self.space, within))
        if self.alike is not None:
            yield "most importance, all channels alike", choose(within, self.alike)[0]
        yield "most parameters at its FLOPs", _largest(within.under(Budget((("flops", Bound(high=flops)),))))


def _around(value: int) -> Bound:
    return Bound((1 - _NEAR) * value, (1 + _NEAR) * value)


def _largest(feasible: FeasibleSet) -> Architecture:
    """Return the member with most parameters: the exact optimum of a score that is their number."""
    tables, shapes = segment_tables(feasible.space), score_shapes(feasible.space)
    scores = [table.params.reshape(shape).astype(float) for table, shape in zip(tables, shapes, strict=False)]
    return exact_optimum(feasible, scores)[0]


def _measured(arch: Architecture, runs: int) -> dict[str, Any]:
    """Return the cost of a network, and the processor time of one image on one core, which other load hardly changes."""
    network, images = build(arch).eval(), torch.zeros(1, 3, arch.resolution, arch.resolution)
    with torch.inference_mode():
        times = sorted(_run_ms(network, images) for _ in range(_WARM_UP + runs))[:runs]
    timed = {"least_ms": round(times[0], 1), "median_ms": round(median(times), 1), "runs": runs}
    return {**cost_of(arch)._asdict(), "resolution": arch.resolution, **timed, "arch": arch.to_dict()}


def _run_ms(network: nn.Module, images: torch.Tensor) -> float:
    began = thread_time()
    network(images)
    return (thread_time() - began) * 1e3


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the share, in percent, of the members of a model's FLOPs that have fewer parameters than it."""
    return [
        {
            **{key: row[key] for key in ("seed", "published", "inside", "space", "within", "near", "params")},
            "fewer_percent": round(100 * row["fewer"] / row["equal"], 1),
            "ms": {member["member"]: member["least_ms"] for member in row["members"]},
        }
        for row in rows
    ]


def table(results: Mapping[str, Any]) -> str:
    """Return what the spaces hold as a table in Markdown."""
    columns = (
        "around",
        "architectures",
        "published model",
        "within its FLOPs and parameters",
        "within 1 % of both",
        "fewer parameters at its FLOPs",
    )
    lines = [
        (
            f"`{row['seed']}`", f"{row['space']:,}", f"`{row['published']}`" + ("" if row["inside"] else " (not a member)"),
            f"{row['within']:,}", f"{row['near']:,}", f"{row['fewer_percent']} %",
        )
        for row in results["summary"]
    ]  # fmt: skip
    return markdown(columns, lines)


def latency_table(results: Mapping[str, Any]) -> str:
    """Return the costs and latencies of the published models and of members of their costs as a table in Markdown."""
    lines = [
        (
            f"`{row['published']}`", member["member"], f"{member['flops'] / 1e9:.3f}", f"{member['params'] / 1e6:.2f}",
            member["resolution"], f"{member['least_ms']:.1f}", f"{member['median_ms']:.1f}",
        )
        for row in results["rows"] for member in row["members"]
    ]  # fmt: skip
    return markdown(("costs of", "member", "GFLOPs", "M parameters", "px", "ms, least", "ms, median"), lines)


if __name__ == "__main__":
    typer.run(study)
