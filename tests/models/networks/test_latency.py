import torch
from torch import nn

from models.networks.latency import measure_latency


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert (images.shape, self.training, torch.is_inference_mode_enabled()) == ((1, 3, 8, 8), False, True)
        assert torch.get_num_threads() == 1
        self.runs += 1
        return images


def test_the_quietest_round_counts_and_its_median_lies_in_its_interval() -> None:
    model, threads = Counting(), torch.get_num_threads()
    found = measure_latency(model, 8, torch.device("cpu"), seconds=0.05)
    assert 0 < found.least <= found.low <= found.median <= found.high
    assert 5 <= found.runs <= model.runs - 3 - 4 * 5
    assert torch.get_num_threads() == threads
    assert "one core" in found.machine
