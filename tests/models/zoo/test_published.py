"""The published reference points: numbers that must not drift."""

import re

import pytest

from models.zoo.published import published
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of


def named(name: str):
    return next(model for model in published() if model.model == name)


# Parameters with 1,000 classes and fvcore's FLOPs with unfused attention, of timm 1.0.31's networks; the minis of the authors'.
@pytest.mark.parametrize(
    ("name", "params", "flops_g", "top1"),
    [
        ("TinyViT-5M", 5_392_764, 1.270433, 79.1),
        ("TinyViT-21M", 21_198_568, 4.275762, 83.1),
        ("TinyViT-21M (distill)", 21_198_568, 4.275762, 84.8),
        ("TinyViT-21M-384 (distill)", 21_230_488, 13.772601, 86.2),
        ("TinyViT-21M-512 (distill)", 21_268_120, 27.016484, 86.5),
        ("Mini-DeiT-B", 44_098_408, 17.711742, 83.2),
        ("Mini-Swin-T", 12_001_765, 4.619607, 81.3),
        ("DeiT-B", 86_567_656, 17.582740, 81.8),
        ("Swin-T", 28_288_354, 4.509194, 81.2),
    ],
)
def test_figures(name: str, params: int, flops_g: float, top1: float) -> None:
    model = named(name)
    assert (model.params, model.flops_g, model.top1) == (params, flops_g, top1)
    assert model.flops == round(flops_g * 1e9)


def test_rows_are_whole() -> None:
    families = [model.family for model in published()]
    counts = {name: families.count(name) for name in set(families)}
    assert counts == {"TinyViT": 8, "Mini-DeiT": 4, "Mini-Swin": 4, "DeiT": 4, "Swin": 4}
    assert len({model.model for model in published()}) == len(published())
    assert all(70 < model.top1 < model.top5 < 100 and model.source and model.pretrain for model in published())
    assert all(model.timm_name in SEEDS for model in published())


def test_the_figures_of_the_seed_document_that_were_wrong_are_not_here() -> None:
    assert not [model for model in published() if model.family == "TinyViT" and model.params > 22_000_000]


def test_resolutions_agree_with_names() -> None:
    for model in published():
        match = re.search(r"-(384|512)", model.model)
        assert model.resolution == (int(match[1]) if match else 224)


def test_the_seeds_cost_what_is_published() -> None:
    models = {model.timm_name: model for model in published() if model.timm_name in SEEDS}
    assert models
    for name, model in models.items():
        cost = cost_of(SEEDS[name])
        assert cost.params == model.params
        assert cost.flops == pytest.approx(model.flops, abs=1000)
