"""The rule of threads and workers, for machines that are made up."""

import pytest
import torch

from experiments.runtime.shares import (
    FLOPS_PER_THREAD,
    FLOPS_PER_WORKERS_THREAD,
    Share,
    share_out,
    threads_for,
    using_threads,
    visible_gpus,
)

SMALL, LARGE = 64 * 6_600_000, 100 * FLOPS_PER_WORKERS_THREAD


def test_threads_grow_with_the_network_up_to_the_cores() -> None:
    assert [threads_for(FLOPS_PER_THREAD * n // 2, 4) for n in (0, 1, 3, 4, 7, 100)] == [1, 1, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("flops", "cores", "trials", "expected"),
    [(SMALL, 2, 6, (2, 1)), (SMALL, 16, 24, (8, 1)), (SMALL, 16, 300, (16, 1)), (SMALL, 2, 3, (1, 2)),
     (LARGE, 16, 24, (1, 16)), (3 * FLOPS_PER_WORKERS_THREAD, 16, 24, (5, 3)), (SMALL, 1, 24, (1, 1))],
)  # fmt: skip
def test_workers_fill_the_cores(flops: int, cores: int, trials: int, expected: tuple[int, int]) -> None:
    shares = share_out(None, None, flops=flops, cores=cores, trials=trials)
    assert (len(shares), shares[0].threads) == expected
    assert {share.device for share in shares} == {None}


def test_each_gpu_has_a_worker() -> None:
    shares = share_out(None, None, flops=LARGE, cores=16, devices=["0", "1", "GPU-7"], trials=24)
    assert shares == [Share(threads=5, device=device) for device in ("0", "1", "GPU-7")]
    assert shares[2].environment == {"CUDA_VISIBLE_DEVICES": "GPU-7"}


def test_more_workers_than_gpus_take_turns_at_them() -> None:
    shares = share_out(5, None, flops=LARGE, cores=4, devices=["2", "3"], trials=24)
    assert [share.device for share in shares] == ["2", "3", "2", "3", "2"]
    assert {share.threads for share in shares} == {1}


def test_given_threads_and_workers_are_kept() -> None:
    assert share_out(3, 2, flops=SMALL, cores=2, trials=1) == [Share(threads=2)] * 3
    assert len(share_out(None, 4, flops=SMALL, cores=16, trials=24)) == 4


def test_gpus_have_the_names_of_the_environment() -> None:
    assert visible_gpus(2, {}) == ["0", "1"]
    assert visible_gpus(2, {"CUDA_VISIBLE_DEVICES": "4, GPU-ab"}) == ["4", "GPU-ab"]
    assert visible_gpus(0, {"CUDA_VISIBLE_DEVICES": "0"}) == []


def test_threads_are_restored() -> None:
    before = torch.get_num_threads()
    with using_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
