"""Trainings that begin from weights of a seed: the weights, the key of the score, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments.data.datasets import open_data
from experiments.data.image_set import ImageData
from experiments.recipes import RECIPES
from experiments.scoring.backend import TrainingBackend
from experiments.scoring.records import variant_info
from experiments.scoring.start import InheritedStart, is_untrained_cut
from models.inheritance.rule import Rule
from models.networks.model_spec import ModelSpec, model_spec_of, open_model_spec
from models.zoo.seeds import SEEDS
from scaler.errors import ScalerError
from tests.experiments.small_seed import ARCH, seed_in

SMALLER = replace(ARCH, embed_dims=(16, 16, 32, 32), num_heads=(1, 1, 2, 2), depths=(1, 1, 1, 1))
CALIBRATED = Rule(channels="activation", std_correction=True, batch_norm=True)
RECIPE = replace(RECIPES["proxy"], epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return seed_in(tmp_path_factory.mktemp("seed"))


def digits(number: int = 120, seed: int = 0) -> ImageData:
    return open_data("digits", train_images=number, seed=seed)


def backend(start: InheritedStart | None, **recipe: Any) -> TrainingBackend:
    return TrainingBackend(digits(), "proxy", replace(RECIPE, **recipe), start=start)


def first_network(start: InheritedStart | None, spec: ModelSpec) -> nn.Module:
    return backend(start, drop_path=0.2)._network(spec, seed=3, low=None)


def test_the_full_size_begins_with_the_seeds_outputs_bit_for_bit(seed: ModelSpec) -> None:
    start, x = InheritedStart.of(seed, Rule()), torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(first_network(start, start.spec_of("full", ARCH)).eval()(x), seed.build().eval()(x))


def test_weights_are_the_same_in_every_process_and_from_every_seed_of_training(seed: ModelSpec) -> None:
    states = []
    for number in (1, 2):
        torch.manual_seed(number)
        start = InheritedStart.of(seed, CALIBRATED, digits())
        states.append(first_network(start, start.spec_of("small", SMALLER)).state_dict())
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)
    assert states[0]["head.fc.weight"].shape == (10, 32)


def test_candidates_take_images_as_the_seed_does(seed: ModelSpec) -> None:
    spec = InheritedStart.of(seed, Rule()).spec_of("small", SMALLER)
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert spec.arch == SMALLER


def test_the_key_covers_the_seeds_weights_the_rule_and_the_images(seed: ModelSpec, tmp_path: Path) -> None:
    other = seed_in(tmp_path, random_seed=6)
    starts = [
        None,
        InheritedStart.of(seed, CALIBRATED, digits()),
        InheritedStart.of(other, CALIBRATED, digits()),
        InheritedStart.of(seed, replace(CALIBRATED, depth="first"), digits()),
        InheritedStart.of(seed, CALIBRATED, digits(seed=1)),
        InheritedStart.of(seed, Rule()),
    ]
    spec = model_spec_of("small", SMALLER)
    keys = [backend(start)._key(spec, seed=0, final=False) for start in starts]
    assert len(set(keys)) == len(keys)
    again = InheritedStart.of(seed, CALIBRATED, digits())
    assert backend(again)._key(spec, seed=0, final=False) == keys[1]


def test_weights_of_its_own_come_before_those_of_a_start(seed: ModelSpec) -> None:
    own = {key: tensor.clone() for key, tensor in seed.build().state_dict().items()}
    start = InheritedStart.of(seed, CALIBRATED, digits())
    torch.testing.assert_close(first_network(start, seed).state_dict(), own, rtol=0, atol=0)


@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    seed: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(folder: Path) -> Any:
        start = InheritedStart.of(seed, CALIBRATED, digits())
        spec = start.spec_of("small", SMALLER)
        return backend(start).score(spec, variant_info(spec, "seed"), folder, seed=0, final=False)

    whole = score(tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr("experiments.training.trainer.Trainer.finish", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            score(tmp_path / "broken")
    resumed = score(tmp_path / "broken")
    assert (whole.start, resumed.metrics) == ("inherited", whole.metrics)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]
    assert not is_untrained_cut(open_model_spec(str(tmp_path / "whole")))


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("number", "names"), [(7, ""), (10, "abcdefghij")])
def test_other_classes_get_a_new_head_and_the_body_stays(number: int, names: str, tmp_path: Path) -> None:
    """Also where they are as many, and known by their names to be others."""
    seed = seed_in(tmp_path, replace(ARCH, num_classes=number), label_names=names)
    start = InheritedStart.of(seed, CALIBRATED, digits())
    found = start.cut(start.spec_of("full", ARCH))
    assert {row.name for row in found.report if row.action == "new"} == {"head.fc.weight", "head.fc.bias"}
    assert 0 < found.network.head.fc.weight.abs().max() < 1e-3  # all classes are equally probable at first
    (images, answers), *_ = start.seed.batches
    assert torch.equal(seed.build().eval()(images).argmax(1), answers)  # what Taylor ranks by, as the labels say nothing
    same = InheritedStart.of(seed.with_label_names(()), CALIBRATED, digits())
    assert same.new_head == (number != 10)
    assert (same.digest == start.digest) == (number != 10)


def test_models_that_cannot_give_weights_are_refused(seed: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="tiny_vit_1m_32 has no weights: train it first"):
        InheritedStart.of(model_spec_of("tiny_vit_1m_32", SEEDS["tiny_vit_1m_32"]), Rule())
    start = InheritedStart.of(seed, Rule())
    spec = start.spec_of("cut", SMALLER)
    spec.write(tmp_path, replace(variant_info(spec, "seed"), start="inherited"), start.cut(spec).network.state_dict())
    with pytest.raises(ScalerError, match="has weights that were cut and not trained since: train it first"):
        InheritedStart.of(open_model_spec(str(tmp_path)), Rule())
    timm_model = open_model_spec("resnet10t", num_classes=10)
    with pytest.raises(ScalerError, match="resnet10t is of no family whose weights can be cut"):
        InheritedStart.of(replace(timm_model, weights=seed.weights), Rule())
