"""Compare cuts of a trained DeiT with those of Torch-Pruning at the same FLOPs, by accuracy after the same tuning.

`python -m experiments.studies.torch_pruning --data torch/fashion_mnist:ROOT --out DIR` (with the dependency group ``bench``).
Interrupted, the same command continues; with more seeds it adds those.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from timm.layers import Attention
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.input_format import InputFormat
from experiments.recipes import RECIPES
from experiments.runtime.console import print_json, say
from experiments.studies.results import markdown, shown, write_results
from experiments.studies.small_seeds import ARCHS, calibration, part_of, scaled_arch, trained_seed
from experiments.studies.trainings import Trainings, open_images
from models.inheritance.choice import choose
from models.inheritance.criteria import Batch
from models.inheritance.inherit import inherit_from
from models.inheritance.prepared_seed import PreparedSeed, prepare
from models.inheritance.rule import Rule
from models.networks.model_spec import model_spec_of
from scaler.cost.fvcore_count import count
from scaler.results.intervals import mean_interval

FAMILY = "deit"
PARTS = {"1/2": 1 / 2, "1/3": 1 / 3}  # of the seed's FLOPs
WAYS = ("Torch-Pruning", "ours, chosen", "ours, uniform scaling")
_RECIPE = replace(RECIPES["proxy"], epochs=4, warmup_epochs=0.25)
_STEPS = 12  # of the bisection for the ratio; the last ones change no channel
_TOLERANCE = 0.02


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
    batches = calibration(images.train, InputFormat.of(trained))
    seed_model = prepare(trained.build(), ARCHS[FAMILY].with_task(num_classes=images.num_classes), Rule(), batches)
    trainings = Trainings(folder=out / "trainings", data=images)
    cuts = {part: _cuts(seed_model, share) for part, share in PARTS.items()}
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


def _cuts(seed: PreparedSeed, share: float) -> dict[str, tuple[nn.Module, InputFormat]]:
    """The networks of every way, with the images that they take."""
    chosen = choose(part_of(FAMILY, seed.arch, share, _TOLERANCE), seed)[0]
    archs = {"ours, chosen": chosen, "ours, uniform scaling": scaled_arch(FAMILY, seed.arch, share, _TOLERANCE)}
    ours = {way: (inherit_from(seed, arch).network, InputFormat.of(model_spec_of(FAMILY, arch))) for way, arch in archs.items()}
    flops = count(seed.network, seed.arch.resolution, 3).flops * share
    pruned = prune_to(flops, seed.network, seed.batches, deit_pruner)
    return {"Torch-Pruning": (pruned, InputFormat.of(model_spec_of(FAMILY, seed.arch))), **ours}


Pruner = Callable[[nn.Module, torch.Tensor, float], None]


def prune_to(flops: float, network: nn.Module, batches: Sequence[Batch], pruner: Pruner) -> nn.Module:
    """Return ``network`` pruned by the least ratio that leaves at most ``flops`` of it; it is copied for every ratio."""
    image, twin = batches[0][0][:1], copy.deepcopy(network).eval()
    for images, classes in batches:
        assert classes is not None
        F.cross_entropy(twin(images), classes).backward()
    low, high = 0.0, 0.95
    for _ in range(_STEPS):
        ratio = (low + high) / 2
        found = _pruned(twin, image, ratio, pruner)
        low, high = (ratio, high) if count(found, image.shape[-1], 3).flops > flops else (low, ratio)
    return _pruned(twin, image, high, pruner).train()


def _pruned(network: nn.Module, image: torch.Tensor, ratio: float, pruner: Pruner) -> nn.Module:
    smaller = copy.deepcopy(network)
    for own, parameter in zip(smaller.parameters(), network.parameters(), strict=True):
        own.grad = None if parameter.grad is None else parameter.grad.clone()
    pruner(smaller, image, ratio)
    smaller.zero_grad()
    return smaller


def deit_pruner(network: nn.Module, image: torch.Tensor, ratio: float) -> None:
    """Remove ``ratio`` of the channels and whole heads of a DeiT, by Taylor importance inside groups of equal structure.

    Source: Fang et al. 2024 (Isomorphic Pruning), prune.py of the authors, which prunes channels and heads by one ratio.
    """
    pruning = import_module("torch_pruning")
    layers = [module for module in network.modules() if isinstance(module, Attention)]
    pruner = pruning.BasePruner(
        network, image, pruning.importance.GroupTaylorImportance(), global_pruning=True, isomorphic=True, pruning_ratio=ratio,
        ignored_layers=[network.get_submodule("head")], num_heads={layer.qkv: layer.num_heads for layer in layers},
        prune_num_heads=True, prune_head_dims=False, head_pruning_ratio=ratio,
    )  # fmt: skip
    pruner.step()
    for layer in layers:
        layer.num_heads = pruner.num_heads[layer.qkv]
        layer.attn_dim = layer.num_heads * layer.head_dim


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each part and way: FLOPs, and mean and interval over seeds of the top-1 and of its lead over Torch-Pruning's."""
    found = []
    for part, way in product(PARTS, WAYS):
        tops, theirs = ([row["top1"] for row in rows if (row["part"], row["way"]) == (part, name)] for name in (way, WAYS[0]))
        if tops:
            flops = next(row["flops"] for row in rows if (row["part"], row["way"]) == (part, way))
            lead = mean_interval([a - b for a, b in zip(tops, theirs, strict=True)])
            found.append({"part": part, "way": way, "flops": flops, "top1": mean_interval(tops), "lead": lead})
    return found


def table(results: Mapping[str, Any]) -> str:
    """The summary as a table in Markdown."""
    columns = ("of the seed's FLOPs", "way", "MFLOPs", "top-1", "lead over Torch-Pruning")
    lines = [
        (row["part"], row["way"], f"{row['flops'] / 1e6:.2f}", shown(row["top1"]), shown(row["lead"]))
        for row in results["summary"]
    ]
    return markdown(columns, lines)


if __name__ == "__main__":
    typer.run(study)
