"""Views on real scans: the same pixels however they are asked for, and the same geometry at every resolution."""

import random
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment

from experiments.data.augmentation import Augmentation, Mix, View
from experiments.data.datasets import open_data
from experiments.data.epoch_order import epoch_order
from experiments.data.input_format import InputFormat
from experiments.data.seeding import restored_generators, set_generators
from experiments.data.views import AugmentedBatch, Views, batch_request
from experiments.recipes import RECIPES
from experiments.training.batches import BatchLoader

RECIPE = replace(
    RECIPES["small"], mixup=0.8, cutmix=1.0, auto_augment="rand-m9-mstd0.5-inc1", reprob=0.25, interpolation="random",
    color_jitter=0.3,
)  # fmt: skip
EPOCH, SIZE = 1, 24


def views(resolution: int = SIZE, seed: int = 3, recipe: object = RECIPE, images: int = 120) -> Views:
    data = open_data("digits", train_images=images)
    return Views(data.train, Augmentation.of(recipe, data.hflip), seed, resolution)  # type: ignore[arg-type]


def epoch_of(made: Views, batch: int, workers: int = 0, epoch: int = EPOCH, start: int = 0) -> AugmentedBatch:
    """All of an epoch from a place on, in batches of ``batch``."""
    order = epoch_order(made.seed, epoch, [len(made.images)])
    plan = [batch_request(order, epoch, slice(at, at + batch)) for at in range(start, len(made.images), batch)]
    with restored_generators():
        parts = list(made.batches(plan, workers))
    return AugmentedBatch(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


@pytest.fixture(scope="module")
def reference() -> AugmentedBatch:
    return epoch_of(views(), 10_000)


@pytest.mark.parametrize(("workers", "batch"), [(0, 2), (0, 36), (1, 50), (2, 14), (4, 64)])
def test_pixels_and_shares_do_not_depend_on_workers_and_batches(reference: AugmentedBatch, workers: int, batch: int) -> None:
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    assert len(reference.pixels) == 110
    for found, expected in zip(epoch_of(views(), batch, workers), reference, strict=True):
        assert torch.equal(found, expected)


@pytest.mark.slow
def test_a_worker_that_is_spawned_sees_the_same(reference: AugmentedBatch) -> None:
    made = views()
    plan = [batch_request(epoch_order(made.seed, EPOCH, [110]), EPOCH, slice(0, 20))]
    loader: object = torch.utils.data.DataLoader(
        made, batch_size=None, sampler=plan, num_workers=1, multiprocessing_context="spawn"
    )
    (found,) = loader  # type: ignore[misc]
    assert torch.equal(found.pixels, reference.pixels[:20])


def posterized(view: View, bits: int) -> int:
    """Return what the view's transform makes of the grey value 200 when it posterizes."""
    (operations,) = (part.ops for part in view.crop.transforms if hasattr(part, "ops"))  # type: ignore[attr-defined]
    (posterize,) = (operation for operation in operations if operation.name == "PosterizeIncreasing")
    grey = posterize.aug_fn(Image.new("L", (1, 1), 200), bits, **posterize.kwargs)
    return int(grey.getpixel((0, 0)))


@pytest.mark.slow
def test_posterize_keeps_a_bit_also_in_spawned_workers() -> None:
    """timm's policy asks for 0 bits now and then, which Pillow 13 refuses."""
    operations = dict(auto_augment.NAME_TO_OP)
    view = Augmentation.of(RECIPE, hflip=True).transform(SIZE)
    assert [posterized(view, bits) for bits in (0, 1, 2, 8)] == [128, 128, 192, 200]
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(posterized, (view, 0)) == 128
    assert operations == auto_augment.NAME_TO_OP


def test_another_epoch_and_another_seed_are_other_pixels(reference: AugmentedBatch) -> None:
    for other in (epoch_of(views(), 64, epoch=EPOCH + 1), epoch_of(views(seed=4), 64)):
        assert not torch.equal(other.pixels, reference.pixels)


@pytest.mark.parametrize(("world", "start"), [(1, 0), (2, 0), (2, 2), (4, 1)])
def test_processes_share_out_every_batch_and_any_step_can_be_the_first(reference: AugmentedBatch, world: int, start: int) -> None:
    input_format = InputFormat(resolution=SIZE, mean=(0.0,) * 3, std=(1 / 255,) * 3)

    def loader(rank: int) -> BatchLoader:
        return BatchLoader(
            data=open_data("digits", train_images=120), recipe=RECIPE, seed=3, input_format=input_format, batch_size=24,
            device=torch.device("cpu"), rank=rank, world_size=world,
        )  # fmt: skip

    with restored_generators():
        ranks = [list(loader(rank).batches(EPOCH, start)) for rank in range(world)]
    images = torch.cat([images for step in zip(*ranks, strict=True) for images, _ in step])
    assert torch.equal(images.round().to(torch.uint8), reference.pixels[start * 24 : 96])
    targets = torch.cat([target for step in zip(*ranks, strict=True) for _, target in step])
    assert torch.allclose(targets.sum(1), torch.ones(len(targets)))
    at = torch.arange(len(targets)), reference.labels[start * 24 : 96]
    fractions = reference.fractions[start * 24 : 96]
    alone = reference.labels[start * 24 : 96] != reference.others[start * 24 : 96]
    assert torch.allclose(targets[at][alone], (fractions * 0.9 + 0.01)[alone])


def test_normalisation_changes_nothing_that_is_drawn(reference: AugmentedBatch) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    loader = BatchLoader(
        data=open_data("digits", train_images=120), recipe=RECIPE, seed=3, batch_size=110,
        input_format=InputFormat(resolution=SIZE, mean=mean, std=std),
        device=torch.device("cpu"),
    )  # fmt: skip
    with restored_generators():
        ((images, _),) = loader.batches(EPOCH)
    back = images * torch.tensor(std).view(3, 1, 1) + torch.tensor(mean).view(3, 1, 1)
    assert torch.equal((back * 255).round().to(torch.uint8), reference.pixels)


@pytest.mark.parametrize("resolution", [160, 192])
def test_another_resolution_shows_the_same_view(resolution: int) -> None:
    """On an image whose colours are its coordinates, every pixel says where it is from; here without changes of colour."""
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    image = Image.fromarray(np.stack([*np.meshgrid(ramp, ramp), np.zeros((300, 300), np.uint8)], axis=-1))
    augmentation = replace(Augmentation.of(RECIPE, hflip=True), auto_augment="", color_jitter=0.0, reprob=1.0)
    for seed in range(20):
        large, small = (_view(augmentation, side, image, seed) for side in (224, resolution))
        shrunk = torch.nn.functional.interpolate(large[None].float(), size=(resolution,) * 2, mode="bilinear", antialias=True)[0]
        away = (shrunk - small.float()).abs().amax(0)
        assert (away > 6).float().mean() < 0.03, seed  # but for the erased box's rim
        assert away.median() <= 1


def _view(augmentation: Augmentation, resolution: int, image: Image.Image, seed: int) -> torch.Tensor:
    with restored_generators():
        set_generators(seed)
        return augmentation.transform(resolution)(image)


def test_mixes_are_of_the_same_shares_at_every_resolution() -> None:
    augmentation = Augmentation.of(RECIPE, hflip=False)
    mixes = [augmentation.draw_mix(seed) for seed in range(200)]
    assert 60 < sum(mix.box is not None for mix in mixes) < 140
    for side in (24, 224):
        black_and_white = torch.stack([torch.zeros(3, side, side), torch.full((3, side, side), 255.0)]).to(torch.uint8)
        for mix in mixes:
            black, white = mix(black_and_white).float().mean((1, 2, 3)) / 255
            assert abs(float(white) - mix.fraction) < 2 / side
            assert abs(float(black) - (1 - mix.fraction)) < 2 / side


def test_a_mix_is_exact_in_integers() -> None:
    pair = torch.tensor([10, 200], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert Mix(0.25)(pair)[:, 0, 0, 0].tolist() == [153, 58]  # 152.5 and 57.5, halves upwards


def test_held_out_images_are_never_mixed_into_those_for_training() -> None:
    """The views of a search are among those of the final training, whose order has the held-out images too."""
    data = open_data("digits", train_images=121)
    both = data.for_final_training()
    assert data.parts == (111,)
    assert both.parts == (111, 10)
    augmentation = Augmentation.of(RECIPE, data.hflip)
    order = epoch_order(3, EPOCH, both.parts)
    whole = Views(both.train, augmentation, 3, SIZE)[batch_request(order, EPOCH, slice(0, 121))]
    part, places = order.only(111)
    alone = Views(data.train, augmentation, 3, SIZE)[batch_request(part, EPOCH, slice(0, 111))]
    for column, expected in zip(whole, alone, strict=True):
        assert torch.equal(column[places], expected)
