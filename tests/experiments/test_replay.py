import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from experiments.data import open_data
from experiments.replay import ReplayedSet, epoch_order, generators_restored, key, set_generators, splitmix64


def test_keys_are_splitmix64s() -> None:
    # Source: the first outputs of the reference implementation (prng.di.unimi.it/splitmix64.c) from seed 1234567.
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(splitmix64(state))
        state += 0x9E3779B97F4A7C15
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert key(1, 2) != key(2, 1)


def test_an_epochs_order_is_a_fixed_permutation() -> None:
    order = epoch_order(0, 0, 1000)
    assert sorted(order.tolist()) == list(range(1000))
    assert np.array_equal(order, epoch_order(0, 0, 1000))
    assert not np.array_equal(order, epoch_order(0, 1, 1000))
    assert not np.array_equal(order, epoch_order(1, 0, 1000))
    # The same as in plain integers: a change of NumPy cannot change it.
    salt = key(0, 0)
    assert order.tolist() == sorted(range(1000), key=lambda i: splitmix64(i ^ salt))


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "fork"), (1, "spawn")])
def test_pixels_do_not_depend_on_workers_batches_or_what_ran_before(workers: int, start: str | None) -> None:
    transform = create_transform(
        (3, 32, 32), is_training=True, use_prefetcher=False, auto_augment="rand-m9-mstd0.5-inc1", re_prob=0.5, re_mode="pixel",
        interpolation="random",
    )  # fmt: skip
    images = ReplayedSet(open_data("digits").train, transform, seed=3)
    reference = {}
    for index in range(40):
        reference[index] = images[1, index][0]
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    plan = [[(1, i) for i in reversed(range(at, min(at + 7, 40)))] for at in range(0, 40, 7)]
    loader = torch.utils.data.DataLoader(images, batch_sampler=plan, num_workers=workers, multiprocessing_context=start)  # type: ignore[arg-type]
    for batch, (pixels, _) in zip(plan, loader, strict=True):
        for (_, index), image in zip(batch, pixels, strict=True):
            assert torch.equal(image, reference[index])
    assert not torch.equal(images[2, 0][0], reference[0])


def test_a_devices_own_generator_is_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stochastic depth draws from it, so a continued run would differ without."""
    seeds: list[int] = []
    monkeypatch.setattr(torch, "get_device_module", lambda _: SimpleNamespace(manual_seed=seeds.append))
    with generators_restored():
        set_generators(5, torch.device("cuda"))
        set_generators(6, torch.device("cpu"))
    assert seeds == [5]


def test_generators_come_back() -> None:
    before = (random.random(), np.random.random(), torch.rand(1))  # noqa: NPY002
    set_generators(5)
    with generators_restored():
        set_generators(6)
    after = (random.random(), np.random.random(), torch.rand(1))  # noqa: NPY002
    set_generators(5)
    assert after == (random.random(), np.random.random(), torch.rand(1))  # noqa: NPY002
    assert before != after


def test_posterize_keeps_a_bit() -> None:
    """timm's policy asks for 0 bits now and then, which Pillow 13 refuses."""
    from timm.data import auto_augment

    posterize = auto_augment.NAME_TO_OP["PosterizeIncreasing"]
    grey = Image.new("L", (2, 2), 200)
    assert posterize(grey, 0).getpixel((0, 0)) == posterize(grey, 1).getpixel((0, 0)) == 128
    assert posterize(grey, 8).getpixel((0, 0)) == 200
