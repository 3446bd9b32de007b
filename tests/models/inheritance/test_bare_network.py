"""Networks without random weights: nothing is drawn, and all that is no weight is there."""

import pytest
import timm
import torch
from torch import nn

from models.inheritance.bare_network import WithoutDraws, bare_network
from models.zoo.families import build
from tests.models.inheritance.cases import SMALL


def test_nothing_is_drawn_and_constants_are_filled_in() -> None:
    before = torch.get_rng_state()
    with WithoutDraws():
        layer, norm = nn.Linear(3, 4), nn.LayerNorm(4)
        for draw in (nn.init.trunc_normal_, timm.layers.trunc_normal_, nn.init.xavier_uniform_, nn.init.kaiming_normal_):
            draw(layer.weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert (norm.weight == 1).all()


@pytest.mark.parametrize("name", SMALL)
def test_buffers_that_no_state_dict_has_are_those_of_any_network(name: str) -> None:
    bare, usual = bare_network(SMALL[name]), build(SMALL[name])
    kept, expected = (dict(network.named_buffers()) for network in (bare, usual))
    tables = expected.keys() - usual.state_dict().keys()
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[table], expected[table]) for table in tables)
    assert tables or "deit" in name
