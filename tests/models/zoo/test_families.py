"""The suite that every family passes: what is described is what timm builds, and what is costed is what fvcore counts."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import timm

from models.deit.arch import DeiTArch, MiniDeiTArch
from models.swin.arch import MiniSwinArch, SwinArch
from models.tiny_vit.arch import MiniTinyViTArch, TinyViTArch
from models.zoo.families import FAMILIES, build, family
from models.zoo.published import published
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import Architecture, cost_of
from scaler.cost.fvcore_count import count
from scaler.errors import ScalerError
from tests.models import conformance

MEMBERS = 60  # random ones of each family


def some_share(rng: random.Random, depth: int) -> int:
    """Passes per block that divide ``depth``; mostly one, as in networks that timm has."""
    return rng.choice([1, *(passes for passes in range(1, depth + 1) if depth % passes == 0)])


def some_tiny_vit(rng: random.Random, kind: type[TinyViTArch] = TinyViTArch) -> Architecture:
    stages, head_dim = range(rng.randint(2, 4)), rng.choice([4, 8, 16])
    heads, depths = tuple(rng.randint(1, 4) for _ in stages), tuple(rng.randint(1, 3) for _ in stages)
    return kind(
        embed_dims=tuple(head_dim * h for h in heads),
        depths=depths,
        num_heads=heads,
        share=tuple(some_share(rng, depth) for depth in depths),
        window_sizes=tuple(rng.choice([1, 2, 3, 4, 7]) for _ in stages),
        mlp_ratio=rng.choice([0.7, 1.5, 2.3, 4.0]),
        mbconv_expand_ratio=rng.choice([1.0, 1.3, 4.7]),
        resolution=rng.randint(16, 75),
        num_classes=rng.randint(1, 20),
    )


def some_deit(rng: random.Random, kind: type[DeiTArch] = DeiTArch) -> Architecture:
    heads, depth = rng.randint(1, 4), rng.randint(1, 4)
    return kind(
        embed_dim=heads * rng.choice([4, 8, 16]),
        depth=depth,
        share=some_share(rng, depth),
        num_heads=heads,
        mlp_ratio=rng.choice([0.7, 2.3, 4.0]),
        patch_size=rng.choice([4, 7, 16]),
        resolution=rng.randint(16, 75),
        num_classes=rng.randint(1, 20),
    )


def some_swin(rng: random.Random, kind: type[SwinArch] = SwinArch) -> Architecture:
    stages = range(rng.randint(3, 4))
    depths = tuple(rng.randint(1, 3) for _ in stages)
    return kind(
        embed_dim=8 * rng.randint(1, 3),
        depths=depths,
        share=tuple(some_share(rng, depth) for depth in depths),
        num_heads=tuple(2 ** rng.randint(0, 3) for _ in stages),
        window_size=tuple(rng.choice([2, 3, 4, 5, 7]) for _ in stages),
        mlp_ratio=tuple(rng.choice([0.7, 2.3, 4.0]) for _ in stages),
        patch_size=rng.choice([2, 4]),
        resolution=rng.randint(16, 75),
        num_classes=rng.randint(1, 20),
    )


SOME: dict[str, Callable[[random.Random], Architecture]] = {
    "tiny_vit": some_tiny_vit,
    "deit": some_deit,
    "swin": some_swin,
    "mini_tiny_vit": partial(some_tiny_vit, kind=MiniTinyViTArch),
    "mini_deit": partial(some_deit, kind=MiniDeiTArch),
    "mini_swin": partial(some_swin, kind=MiniSwinArch),
}


def test_every_family_is_in_this_suite() -> None:
    assert SOME.keys() | {"timm"} == FAMILIES.keys()  # timm's own models have a suite of their own


def members(name: str, number: int) -> list[Architecture]:
    rng = random.Random(f"{name}, the same every time")
    return [SOME[name](rng) for _ in range(number)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_cost_equals_fvcores_count_to_the_integer(name: str) -> None:
    """Odd resolutions, windows that do not divide the map or exceed it, and ratios that round are among them."""
    for arch in members(name, MEMBERS):
        conformance.costs_what_fvcore_counts(arch)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SEEDS if name.endswith("_32")])
def test_a_network_is_as_timms_are(name: str) -> None:
    conformance.is_a_network_as_timms_are(SEEDS[name])


@pytest.mark.parametrize("row", [row for row in published() if row.timm_name in SEEDS], ids=lambda row: row.model)
def test_published_models_cost_what_was_published(row: Any) -> None:
    cost = cost_of(SEEDS[row.timm_name])
    assert cost.params == row.params
    assert round(cost.flops / 1e9, 6) == row.flops_g


@pytest.mark.parametrize("name", ["tiny_vit_5m_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_seed_is_the_model_that_timm_knows_by_that_name(name: str) -> None:
    ours, timms = build(SEEDS[name]), timm.create_model(name, num_classes=1000)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in timms.state_dict().items()}


@pytest.mark.parametrize("name", [name for name in SEEDS if name.endswith("_32")])
def test_small_seeds_are_built_and_counted(name: str) -> None:
    assert count(build(SEEDS[name]), 32) == cost_of(SEEDS[name])


@pytest.mark.parametrize("name", SOME)
def test_an_architecture_survives_json_and_its_own_values(name: str) -> None:
    for arch in members(name, MEMBERS):
        conformance.survives_json_and_its_own_values(arch)


@pytest.mark.parametrize("name", SOME)
def test_heads_may_be_given_by_their_width(name: str) -> None:
    for arch in members(name, MEMBERS):
        data = arch.to_dict()
        if "head_dim" in data:
            heads = data.pop("num_heads")
            assert list_of(family(name).from_dict(data).num_heads)[1:] == list_of(heads)[1:]  # type: ignore[attr-defined]


def list_of(heads: Any) -> list[int]:
    return [heads] if isinstance(heads, int) else list(heads)


@pytest.mark.parametrize("name", SOME)
def test_segments_are_remembered_and_read_only_what_exists(name: str) -> None:
    for arch in members(name, 5):
        conformance.remembers_its_segments(arch)


@pytest.mark.parametrize("name", SOME)
def test_what_cannot_be_built_is_refused(name: str) -> None:
    data = members(name, 1)[0].to_dict()
    for field in ("resolution", "num_classes", "num_heads"):
        broken = [0] * len(data[field]) if isinstance(data[field], list) else 0
        with pytest.raises(ScalerError, match=f"{name} {field} = .*: must be above 0"):
            family(name).from_dict({**data, field: broken})
    with pytest.raises(ScalerError, match=f"{name} values = wdith: the names are"):
        members(name, 1)[0].with_values({"wdith": 3})
