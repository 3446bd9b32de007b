"""What is TinyViT's own; what it shares with the other families is in test_families.py."""

from collections import Counter
from dataclasses import replace

import pytest

from models.tiny_vit import net
from models.tiny_vit.arch import TinyViTArch
from models.zoo.families import build
from models.zoo.seeds import SEEDS, seed
from scaler.cost.architecture import parts_of
from scaler.errors import ScalerError, UnknownNameError


@pytest.mark.parametrize("name", ["tiny_vit_5m_224", "tiny_vit_21m_384", "tiny_vit_1m_32"])
def test_a_network_is_read_back(name: str) -> None:
    assert net.read(build(SEEDS[name]), SEEDS[name].resolution) == SEEDS[name]


def test_parts_hold_the_parameters_of_the_modules_of_their_name() -> None:
    arch = SEEDS["tiny_vit_1m_32"]
    built: Counter[str] = Counter()
    for name, parameter in build(arch).named_parameters():
        built[name.rpartition(".")[0]] += parameter.numel()
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
        ({"depths": (2, 2, 6)}, r"depths = \(2, 2, 6\): needs one entry for each stage, as embed_dims has"),
        ({"embed_dims": (64, 100, 160, 320), "num_heads": (2, 3, 5, 10)}, "100 is not a multiple of its 3 heads"),
        ({"window_sizes": (7, 0, 7, 7)}, "must be above 0"),
        ({"mlp_ratio": 0}, "mlp_ratio = 0: must be above 0"),
        ({"resolution": 0}, "resolution = 0: must be above 0"),
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
