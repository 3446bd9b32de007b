"""fvcore's count, and that nothing that multiplies is lost from it."""

import pytest
import timm
import torch
from torch import nn

from scaler.cost.fvcore_count import count
from scaler.cost.operators import Cost
from scaler.errors import ScalerError


def test_attention_is_counted_fused_or_not() -> None:
    # Source of the figures: fvcore on timm's network with attention unfused; fused it drops to 1.079579 G.
    fused = timm.create_model("deit_tiny_patch16_224", num_classes=1000)
    assert fused.blocks[0].attn.fused_attn
    assert count(fused, 224) == Cost(1_258_411_200, 5_717_416)
    for block in fused.blocks:
        block.attn.fused_attn = False
    assert count(fused, 224) == Cost(1_258_411_200, 5_717_416)


def test_pytorchs_own_attention_is_counted() -> None:
    dim, tokens, hidden = 8, 5, 16
    layer = nn.TransformerEncoderLayer(dim, 2, hidden, batch_first=True)

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x.flatten(2).mean(1, keepdim=True)[..., : tokens * dim].reshape(1, tokens, dim))  # type: ignore[no-any-return]

    products = tokens * (4 * dim * dim + 2 * dim * hidden) + 2 * tokens * tokens * dim
    norms = 2 * 5 * tokens * dim
    assert count(Tokens().eval(), 8).flops == products + norms


def test_an_operator_that_cannot_be_counted_is_an_error() -> None:
    class Dot(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cdist(x.flatten(1), x.flatten(1))

    with pytest.raises(ScalerError, match="cannot count aten::cdist"):
        count(Dot(), 4)


def test_a_model_that_does_not_run_at_the_size_says_so() -> None:
    model = timm.create_model("deit_tiny_patch16_224", num_classes=10)
    with pytest.raises(ScalerError, match=r"does not run on an image of shape \(1, 3, 100, 100\)"):
        count(model, 100)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = timm.create_model("tiny_vit_5m_224", num_classes=10).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    count(model, 64)
    assert model.training
    assert torch.backends.mha.get_fastpath_enabled() == fast_path
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
