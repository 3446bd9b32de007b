"""Compare cuts of a trained DeiT with those of Torch-Pruning at the same FLOPs, by accuracy after the same tuning.

`python -m experiments.studies.torch_pruning --data torch/fashion_mnist:ROOT --out DIR` (with the dependency group ``bench``).
Interrupted, the same command continues; with more seeds it adds those.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from torch import nn

from experiments.commands.open_start import calibrated_rule
from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.scoring.start import InheritedStart
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import part_of, scaled_arch, trained_seed
from experiments.studies.trainings import Trainings, open_images
from models.inheritance.choice import choose
from models.inheritance.criteria import Batch
from scaler.cost.fvcore_count import count
from scaler.results.intervals import mean_with_interval

FAMILY = "deit"
PARTS = {"1/2": 1 / 2, "1/3": 1 / 3}  # of the seed's FLOPs
WAYS = ("Torch-Pruning", "ours, chosen", "ours, uniform scaling")
_RECIPE = replace(RECIPES["proxy"], epochs=4, warmup_epochs=0.25)
_STEPS = 12  # of the bisection for the ratio; the last ones change no channel
_TOLERANCE = 0.02
_TABLES = ("relative_position_bias_table", "attention_biases")


def study(
    data: Annotated[str, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    seeds: Annotated[int, typer.Option("--seeds")] = 3,
    train_images: Annotated[int, typer.Option("--train-images", help="Of a tuning.")] = 2000,
    seeds_images: Annotated[int, typer.Option("--seeds-images", help="Of the trained seed.")] = 12_000,
    seeds_epochs: Annotated[int, typer.Option("--seeds-epochs")] = 5,
) -> None:
    """Train everything, print the results as JSON and write them to ``out``/results.json."""
    images, more = open_images(data, train_images, test_images=2000), open_data(data, train_images=seeds_images)
    trained = trained_seed(FAMILY, more, out / "seeds" / FAMILY, seeds_epochs)
    start = InheritedStart.of(trained, calibrated_rule(trained, 0), images)
    trainings = Trainings(folder=out / "trainings", data=images)
    cuts = {part: _cuts(start, share) for part, share in PARTS.items()}
    rows: list[dict[str, Any]] = []
    settings = {"data": images.name, "train_images": train_images, "seeds_images": seeds_images, "seeds_epochs": seeds_epochs}
    for seed, part in product(range(seeds), PARTS):
        for way, (network, input_format) in cuts[part].items():
            say(f"{part}, seed {seed}, {way}")
            outcome = trainings.run(way, copy.deepcopy(network), input_format, _RECIPE, seed)
            flops = count(network, input_format.resolution, 3).flops
            rows.append({"part": part, "way": way, "seed": seed, "flops": flops, "top1": outcome.top1})
        write_results(out, "torch_pruning", settings, rows, summary(rows))
    print_json(summary(rows))


def _cuts(start: InheritedStart, share: float) -> dict[str, tuple[nn.Module, InputFormat]]:
    """The networks of every way, with the images that they take."""
    seed = start.seed
    feasible = part_of(FAMILY, seed.arch, share, _TOLERANCE)
    archs = {WAYS[1]: choose(feasible, seed)[0], WAYS[2]: scaled_arch(feasible)}
    specs = {way: start.spec_of(way, arch) for way, arch in archs.items()}
    ours = {way: (start.cut(spec).network, InputFormat.of(spec)) for way, spec in specs.items()}
    flops = count(seed.network, seed.arch.resolution, 3).flops * share
    pruned = prune_to(flops, seed.network, seed.batches)
    return {WAYS[0]: (pruned, InputFormat.of(start.spec_of(FAMILY, seed.arch))), **ours}


def prune_to(flops: float, network: nn.Module, batches: Sequence[Batch]) -> nn.Module:
    """Return ``network`` pruned by the least ratio that leaves at most ``flops`` of it; it is copied for every ratio."""
    image, twin = batches[0][0][:1], copy.deepcopy(network).eval()
    for images, classes in batches:
        assert classes is not None
        F.cross_entropy(twin(images), classes).backward()
        twin.train().eval()  # in eval mode timm's TinyViT keeps its position tables, with the graph of the last batch
    low, high = 0.0, 0.95
    for _ in range(_STEPS):
        ratio = (low + high) / 2
        found = _pruned(twin, image, ratio)
        low, high = (ratio, high) if count(found, image.shape[-1], 3).flops > flops else (low, ratio)
    return _pruned(twin, image, high).train()


def _pruned(network: nn.Module, image: torch.Tensor, ratio: float) -> nn.Module:
    smaller = copy.deepcopy(network)
    for own, parameter in zip(smaller.parameters(), network.parameters(), strict=True):
        own.grad = None if parameter.grad is None else parameter.grad.clone()
    isomorphic(smaller, image, ratio)
    smaller.zero_grad()
    return smaller


def isomorphic(network: nn.Module, image: torch.Tensor, ratio: float) -> None:
    """Remove ``ratio`` of the channels, and of heads or their channels, by Taylor importance inside groups of equal structure.

    Source: Fang et al. 2024 (Isomorphic Pruning), prune.py of the authors. As there, tables of relative positions and therefore
    the number of heads stay as they are; one ratio serves channels and heads.
    """
    pruning, head = import_module("torch_pruning"), network.get_classifier()  # type: ignore[operator]
    layers: list[Any] = [module for module in network.modules() if hasattr(module, "qkv") and hasattr(module, "num_heads")]
    tables = [parameter for name, parameter in network.named_parameters() if name.endswith(_TABLES)]
    pruner = pruning.BasePruner(
        network, image, pruning.importance.GroupTaylorImportance(), global_pruning=True, isomorphic=True, pruning_ratio=ratio,
        ignored_layers=[head, *tables], num_heads={layer.qkv: layer.num_heads for layer in layers},
        prune_num_heads=not tables, prune_head_dims=bool(tables), head_pruning_ratio=0.0 if tables else ratio,
    )  # fmt: skip
    pruner.step()
    for layer in layers:
        layer.num_heads = pruner.num_heads[layer.qkv]
        layer.attn_dim = layer.qkv.out_features // 3
        layer.head_dim = layer.attn_dim // layer.num_heads
        layer.scale = layer.head_dim**-0.5


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each part and way: FLOPs, and mean and interval over seeds of the top-1 and of its lead over Torch-Pruning's."""
    found = []
    for part, way in product(PARTS, WAYS):
        tops, theirs = ([row["top1"] for row in rows if (row["part"], row["way"]) == (part, name)] for name in (way, WAYS[0]))
        if tops:
            flops = next(row["flops"] for row in rows if (row["part"], row["way"]) == (part, way))
            lead = mean_with_interval([a - b for a, b in zip(tops, theirs, strict=True)])
            which = {"part": part, "way": way, "flops": flops, "seeds": len(tops)}
            found.append({**which, "top1": mean_with_interval(tops), "lead": lead})
    return found


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("of the seed's FLOPs", "way", "MFLOPs", "seeds", "top-1", "lead over Torch-Pruning")
    lines = [
        (row["part"], row["way"], f"{row['flops'] / 1e6:.2f}", row["seeds"], shown(row["top1"]), shown(row["lead"]))
        for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
