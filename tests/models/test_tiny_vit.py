"""TinyViT: what is described is what timm builds, and what is costed is what fvcore counts."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.families import build
from models.seeds import SEEDS, seed
from models.tiny_vit import net
from models.tiny_vit.arch import TinyViTArch
from scaler.cost import Cost
from scaler.counting import count, parameters_by_module
from scaler.errors import ScalerError, UnknownNameError
from scaler.family import cost_of, parts_of

# Parameters: column official_params of the published table, 1000 classes. FLOPs: fvcore on timm's networks, attention unfused.
PUBLISHED = {
    "tiny_vit_5m_224": Cost(1_270_432_960, 5_392_764),
    "tiny_vit_11m_224": Cost(2_033_117_632, 10_996_972),
    "tiny_vit_21m_224": Cost(4_275_762_240, 21_198_568),
    "tiny_vit_21m_384": Cost(13_772_600_640, 21_230_488),
    "tiny_vit_21m_512": Cost(27_016_484_160, 21_268_120),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_cost_what_was_published(name: str) -> None:
    assert cost_of(seed(name)) == PUBLISHED[name]


@pytest.mark.parametrize("name", ["tiny_vit_5m_224", "tiny_vit_21m_384", "tiny_vit_1m_32"])
def test_seeds_are_built_counted_and_read_back(name: str) -> None:
    arch = SEEDS[name]
    model = build(arch)
    assert count(model, arch.resolution) == cost_of(arch)
    assert net.read(model, arch.resolution) == arch


@st.composite
def archs(draw: st.DrawFn) -> TinyViTArch:
    stages = draw(st.integers(2, 4))
    head_dim = draw(st.sampled_from([4, 8, 16]))
    heads = st.integers(1, 4)
    num_heads = draw(st.tuples(*[heads] * stages))
    return TinyViTArch(
        embed_dims=tuple(head_dim * h for h in num_heads),
        depths=draw(st.tuples(*[st.integers(1, 2)] * stages)),
        num_heads=num_heads,
        window_sizes=draw(st.tuples(*[st.sampled_from([1, 2, 3, 4, 7])] * stages)),
        mlp_ratio=draw(st.sampled_from([0.7, 1.5, 2.3, 3.0, 4.0])),
        mbconv_expand_ratio=draw(st.sampled_from([1.0, 1.3, 3.0, 4.7])),
        resolution=draw(st.integers(16, 75)),
        num_classes=draw(st.integers(1, 20)),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(archs())
def test_cost_equals_fvcores_count_to_the_integer(arch: TinyViTArch) -> None:
    """Odd resolutions, windows that do not divide the map, windows above it, and ratios that round are among them."""
    assert cost_of(arch) == count(build(arch), arch.resolution)


def test_parts_hold_the_parameters_of_the_modules_of_their_name() -> None:
    arch = SEEDS["tiny_vit_1m_32"]
    built = parameters_by_module(build(arch))
    for part in parts_of(arch):
        _, params = part.total
        name = part.name.removesuffix(".attention_biases")
        if params:
            assert params == sum(n for module, n in built.items() if _is_repeat_of(module, name, part.name)), part.name


def _is_repeat_of(module: str, name: str, part: str) -> bool:
    """``stages.1.blocks.attn.norm`` stands for ``stages.1.blocks.0.attn.norm`` and its repeats."""
    stage, dot, inner = name.partition(".blocks.")
    if not dot or not module.startswith(f"{stage}.blocks."):
        return module == name
    return module.removeprefix(f"{stage}.blocks.").partition(".")[2] == inner and (part != name or module != f"{stage}.attn")


@settings(max_examples=60, deadline=None)
@given(archs())
def test_an_architecture_survives_json_and_its_own_values(arch: TinyViTArch) -> None:
    assert TinyViTArch.from_dict(arch.to_dict()) == arch
    assert cost_of(arch.with_values(arch.values())) == cost_of(arch)


def test_heads_may_be_given_by_head_dim() -> None:
    data = seed("tiny_vit_5m_224").to_dict()
    assert data["head_dim"] == 32
    del data["num_heads"]
    assert TinyViTArch.from_dict(data) == seed("tiny_vit_5m_224")
    with pytest.raises(ScalerError, match="head_dim = 64"):
        TinyViTArch.from_dict({**seed("tiny_vit_5m_224").to_dict(), "head_dim": 64})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths": (2, 2, 6)}, r"depths = \(2, 2, 6\): needs one entry for each of 4 stages"),
        ({"embed_dims": (64, 100, 160, 320), "num_heads": (2, 3, 5, 10)}, "100 is not a multiple of its 3 heads"),
        ({"window_sizes": (7, 0, 7, 7)}, "needs entries of at least 1"),
        ({"mlp_ratio": 0}, "mlp_ratio = 0: must be above 0"),
        ({"resolution": 0}, "resolution = 0: must be at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ScalerError, match=message):
        replace(seed("tiny_vit_5m_224"), **change)  # type: ignore[arg-type]


def test_an_unknown_seed_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'tiny_vit_21m_224'"):
        seed("tiny_vit_21_224")


def test_another_class_is_not_read_as_tiny_vit() -> None:
    import torch

    with pytest.raises(ScalerError, match="Linear is not a TinyViT"):
        net.read(torch.nn.Linear(2, 2), 32)
