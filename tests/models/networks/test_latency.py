import time

import torch
from torch import nn

from models.networks.latency import MeasuredLatency, measure_latency


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


def test_a_busy_machine_shows() -> None:
    def measured(median: float, share: float) -> str:
        found = MeasuredLatency(least=1.0, median=median, low=1.0, high=2.0, runs=9, machine="m", cpu_share=share)
        return found.disturbance

    assert measured(1.4, 0.9) == ""
    assert measured(1.6, 0.9) == "the median of the runs is 1.6 times the least"
    assert measured(1.6, 0.25) == "other processes had the core for 75% of the time"


def test_time_without_the_processor_counts_as_other_processes() -> None:
    class Waiting(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            time.sleep(0.002)
            return images

    assert "other processes had the core for " in measure_latency(Waiting(), 8, torch.device("cpu"), seconds=0.05).disturbance
