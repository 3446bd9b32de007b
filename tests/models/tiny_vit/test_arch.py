"""TinyViT's own behaviour; the behaviour of every family is in test_families.py."""

from collections import Counter
from dataclasses import replace

import pytest
from timm.models.tiny_vit import TinyVit

from models.tiny_vit.arch import TinyViTArch
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import parts_of
from scaler.errors import ScalerError


@pytest.mark.parametrize("name", ["tiny_vit_5m_224", "tiny_vit_21m_384", "tiny_vit_1m_32"])
def test_a_network_is_read_back(name: str) -> None:
    assert read(build(SEEDS[name]), SEEDS[name].resolution) == SEEDS[name]


def read(model: TinyVit, resolution: int) -> TinyViTArch:
    """Return the architecture of a built TinyViT, from the network alone."""
    convs, *stages = model.stages
    blocks = [stage.blocks[0] for stage in stages]
    dims = (convs.dim, *(block.dim for block in blocks))
    head_dims = {f"head_dim[{i}]": block.attn.key_dim for i, block in enumerate(blocks, start=1)}
    return TinyViTArch(
        embed_dims=dims,
        depths=tuple(len(stage.blocks) for stage in model.stages),
        num_heads=TinyViTArch.heads_of({"embed_dims": dims, **head_dims}),
        window_sizes=(blocks[0].window_size, *(block.window_size for block in blocks)),
        mlp_ratio=float(model.mlp_ratio),
        mbconv_expand_ratio=convs.blocks[0].conv1.conv.out_channels / convs.dim,
        resolution=resolution,
        num_classes=model.num_classes,
        in_chans=model.in_chans,
    )


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
    data = SEEDS["tiny_vit_5m_224"].to_dict()
    assert data["head_dim"] == 32
    del data["num_heads"]
    assert TinyViTArch.from_dict(data) == SEEDS["tiny_vit_5m_224"]
    with pytest.raises(ScalerError, match="head_dim = 64"):
        TinyViTArch.from_dict({**SEEDS["tiny_vit_5m_224"].to_dict(), "head_dim": 64})


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
        replace(SEEDS["tiny_vit_5m_224"], **change)  # type: ignore[arg-type]
