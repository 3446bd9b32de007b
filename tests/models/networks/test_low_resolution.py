"""Networks on smaller images than their own: the same weights, what timm makes of them, and fvcore's count."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from models.networks.low_resolution import low_resolution_phase
from models.networks.model_spec import model_spec_of, open_model_spec
from models.zoo.families import build
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.cost.fvcore_count import count
from scaler.errors import ScalerError

SMALL = [name for name in SEEDS if name.endswith("32")]
# Two stages whose maps are larger than their windows at 20 pixels too, so that no window changes with the resolution.
SWINS = {
    name: replace(SEEDS[name], depths=(2, 2), num_heads=(3, 6), window_size=(4, 4), mlp_ratio=(4.0,) * 2, share=share)
    for name, share in (("swin_1m_patch2_32", (1, 1)), ("mini_swin_1m_patch2_32", (2, 2)))
}


def images(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_at_its_own_resolution_the_network_is_the_plain_one(name: str) -> None:
    spec = open_model_spec(name)
    found = low_resolution_phase(spec, 0.67)
    assert found is not None
    plain, network = build(SEEDS[name]).eval(), spec.build(**found.arguments).eval()
    network.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(network(images(32)), plain(images(32)))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_at_a_lower_one_it_is_what_timm_makes_of_it(name: str) -> None:
    """A reference whose input is set to the lower size for good; TinyViT takes any."""
    arch: Any = SWINS.get(name, SEEDS[name])
    spec, (fixed, free) = model_spec_of(name, arch), (build(arch).eval() for _ in range(2))
    found = low_resolution_phase(spec, 0.6)
    assert found is not None
    assert found.resolution == 20
    if found.arguments:
        free = spec.build(**found.arguments).eval()
        free.load_state_dict(fixed.state_dict())
        fixed.set_input_size(img_size=(20, 20), **({"window_size": (4, 4)} if name in SWINS else {}))  # type: ignore[operator]
        with torch.no_grad():
            torch.testing.assert_close(free(images(20)), fixed(images(20)))
    assert found.flops == count(fixed, 20).flops == cost_of(arch.with_values({"resolution": 20})).flops < cost_of(arch).flops


def test_windows_that_are_larger_than_their_map_are_filled_up_and_counted_so() -> None:
    arch = SEEDS["swin_1m_patch2_32"]
    found = low_resolution_phase(model_spec_of("swin", arch), 0.75)  # maps of 12, 6 and 3 for windows of 4
    assert found is not None
    assert cost_of(arch.with_values({"resolution": 24})).flops < found.flops < cost_of(arch).flops


def test_the_side_is_the_nearest_that_the_first_layer_divides() -> None:
    sides = [
        found.resolution
        for name in ("deit_tiny_patch16_224", "resnet10t")
        if (found := low_resolution_phase(open_model_spec(name), 0.67))
    ]
    assert sides == [144, 118]
    assert low_resolution_phase(open_model_spec("deit_1m_patch4_32"), 0.97) is None


def test_a_network_for_one_resolution_alone_is_refused() -> None:
    with pytest.raises(ScalerError, match="levit_128 cannot start at 144 px, being built for 224 alone: leave out"):
        low_resolution_phase(open_model_spec("levit_128"), 0.67)
