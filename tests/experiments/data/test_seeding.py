import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from experiments.data.epoch_order import epoch_order, splitmix64s
from experiments.data.seeding import key, restored_generators, set_generators, splitmix64


def test_keys_are_splitmix64s() -> None:
    # Source: the first outputs of the reference implementation (prng.di.unimi.it/splitmix64.c) from seed 1234567.
    state, outputs = 1234567, []
    for _ in range(3):
        outputs.append(splitmix64(state))
        state += 0x9E3779B97F4A7C15
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert key(1, 2) != key(2, 1)


def test_an_epochs_order_is_a_fixed_permutation() -> None:
    order = epoch_order(0, 0, [1000])
    assert sorted(order.indices.tolist()) == list(range(1000))
    assert order.paired == 1000
    assert np.array_equal(order.indices, epoch_order(0, 0, [1000]).indices)
    assert not np.array_equal(order.indices, epoch_order(0, 1, [1000]).indices)
    assert not np.array_equal(order.indices, epoch_order(1, 0, [1000]).indices)


def test_the_vectorised_mixing_is_that_of_plain_integers() -> None:
    """A change of NumPy cannot change an order."""
    values = [0, 1, 12345, (1 << 64) - 1]
    assert splitmix64s(np.array(values, np.uint64)).tolist() == [splitmix64(value) for value in values]


@pytest.mark.parametrize("parts", [(1000, 200), (999, 201), (7, 3), (5, 0), (4, 1)])
def test_a_parts_own_order_is_the_whole_one_with_the_others_left_out(parts: tuple[int, int]) -> None:
    whole, alone = epoch_order(3, 5, parts), epoch_order(3, 5, parts[:1])
    assert sorted(whole.indices.tolist()) == list(range(sum(parts)))
    part, places = whole.only(parts[0])
    assert np.array_equal(part.indices, alone.indices)
    assert np.array_equal(whole.indices[places], alone.indices)
    assert part.paired == alone.paired == parts[0] // 2 * 2
    partners = whole.indices[: whole.paired].reshape(-1, 2) < parts[0]
    assert (partners[:, 0] == partners[:, 1]).all()  # no held-out image has a partner that is for training


def test_repeated_augmentation_shows_fewer_images_several_times() -> None:
    order = epoch_order(0, 0, [101]).repeated(3, 101)
    assert len(order.indices) == order.paired == 96
    images, view = order.indices % 101, order.indices // 101
    assert len(set(images.tolist())) == 32
    assert len(set(order.indices.tolist())) == 96  # no view twice: each has an index, so a key, of its own
    partners = images.reshape(-1, 3, 2)
    assert (partners == partners[:, :1]).all()  # an image's three views have three mixes with the same partner, never with itself
    assert (partners[..., 0] != partners[..., 1]).all()
    assert view.reshape(-1, 3, 2)[:, :, 0].tolist() == [[0, 1, 2]] * 16


def test_a_devices_own_generator_is_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stochastic depth draws from it, so a continued run would differ without."""
    seeds: list[int] = []
    monkeypatch.setattr(torch, "get_device_module", lambda _: SimpleNamespace(manual_seed=seeds.append))
    with restored_generators():
        set_generators(5, torch.device("cuda"))
        set_generators(6, torch.device("cpu"))
    assert seeds == [5]


def test_generators_come_back() -> None:
    before = (random.random(), np.random.random(), torch.rand(1))  # noqa: NPY002
    set_generators(5)
    with restored_generators():
        set_generators(6)
    after = (random.random(), np.random.random(), torch.rand(1))  # noqa: NPY002
    set_generators(5)
    assert after == (random.random(), np.random.random(), torch.rand(1))  # noqa: NPY002
    assert before != after
