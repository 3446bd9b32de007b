"""Scores on one interface: their values where they can be known, and their costs."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from experiments.data.input_format import InputFormat
from experiments.ranking.elastic_members import ElasticMembers
from experiments.ranking.replaced_parts import ReplacedParts
from experiments.ranking.shared_views import SharedCrops
from experiments.ranking.short_trainings import ShortTraining
from experiments.ranking.trainings import Workshop, initial_network
from experiments.ranking.zero_cost import Costs, nwot, synflow
from experiments.training.evaluation import evaluate_model
from models.inheritance.inherit import inherit_from
from models.inheritance.prepared_seed import PreparedSeed
from models.networks.model_spec import model_spec_of
from scaler.cost.architecture import cost_of
from tests.experiments.logits.small_teacher import ARCH, digits
from tests.experiments.ranking.workshop import SEED_ARCH, seed, workshop

FLOPS = cost_of(ARCH).flops
SPEC = model_spec_of("net", ARCH)
FORMAT = InputFormat.of(SPEC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def prepared(shop: Workshop) -> PreparedSeed:
    return seed(shop)


def test_costs_are_the_networks_own() -> None:
    found = {name: reading.value for name, reading in Costs()(ARCH).items()}
    cost = cost_of(ARCH)
    assert found == {"flops": cost.flops, "params": cost.params, "fewest_params": -cost.params, "resolution": 24}


def test_nwot_counts_the_units_on_which_images_agree() -> None:
    crops = SharedCrops(images=replace(digits().test, indices=digits().test.indices[:6]))
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 40), nn.GELU())
    (pixels, _), = crops.batches(FORMAT)  # fmt: skip
    on = (network[1](pixels.flatten(1)) > 0).double()
    expected = torch.linalg.slogdet(on @ on.T + (1 - on) @ (1 - on).T).logabsdet
    assert nwot(crops).score(network, FORMAT) == pytest.approx(float(expected), rel=1e-6)


def test_nwot_is_charged_with_every_image_of_every_draw() -> None:
    crops = SharedCrops(images=replace(digits().test, indices=digits().test.indices[:6]))
    reading = nwot(crops)(ARCH)["nwot"]
    assert reading.flops == 3 * 6 * FLOPS
    assert reading.uncertainty > 0


def test_synflow_is_the_flow_through_positive_weights() -> None:
    # Of one layer with weights w the output's sum over inputs of one is sum |w|, and so is the sum of w times its gradient.
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 5, bias=False))
    expected = network[1].weight.detach().double().abs().sum().log()
    assert synflow().score(network, FORMAT) == pytest.approx(float(expected))
    values = [synflow().score(initial_network(SPEC, 0), FORMAT) for _ in range(2)]
    assert values[0] == values[1]


def test_a_score_without_training_is_of_the_cut_itself(shop: Workshop, prepared: PreparedSeed) -> None:
    probe = ShortTraining(shop=shop, steps=0, seed=prepared)
    assert probe.names == ("inherited_0_top1", "inherited_0_loss")
    found = probe(SEED_ARCH)
    network = inherit_from(prepared, SEED_ARCH).network
    expected = evaluate_model(network, shop.data.holdout, FORMAT, torch.device("cpu")).metrics
    assert found["inherited_0_top1"].value == expected.top1
    assert found["inherited_0_loss"].value == -expected.loss
    flops = cost_of(SEED_ARCH).flops
    assert found["inherited_0_loss"].flops == (50 + len(shop.data.holdout)) * flops


def test_members_of_an_elastic_seed_are_charged_with_their_share_of_its_making(shop: Workshop, prepared: PreparedSeed) -> None:
    cut = ShortTraining(shop=shop, steps=0, seed=prepared)
    found, plain = ElasticMembers(cut=cut, flops=1000, seconds=60.0)(SEED_ARCH), cut(SEED_ARCH)
    for leaf in ("top1", "loss"):
        reading, own = found[f"elastic_{leaf}"], plain[f"inherited_0_{leaf}"]
        assert (reading.value, reading.flops) == (own.value, own.flops + 1000)
        assert reading.seconds > 60


def test_a_short_training_is_charged_with_its_updates_and_its_evaluation(shop: Workshop) -> None:
    probe = ShortTraining(shop=shop, steps=2)
    found = probe(ARCH)
    assert found.keys() == {"random_2_top1", "random_2_loss", "random_2_train_losses"}
    training = 3 * 2 * shop.batch_size * FLOPS
    assert found["random_2_train_losses"].flops == training
    assert found["random_2_top1"].flops == found["random_2_loss"].flops == training + len(shop.data.holdout) * FLOPS
    assert [reading.value for reading in probe(ARCH).values()] == [reading.value for reading in found.values()]


def test_a_longer_short_training_ends_at_a_lower_loss(shop: Workshop, prepared: PreparedSeed) -> None:
    losses = [-ShortTraining(shop=shop, steps=2 * epochs, epochs=epochs, seed=prepared)(ARCH)[name].value
              for epochs, name in ((1, "inherited_2_train_losses"), (8, "inherited_16_train_losses"))]  # fmt: skip
    assert losses[1] < losses[0]


def test_replaced_parts_are_summed_and_charged_once(prepared: PreparedSeed) -> None:
    def reading(probe: ReplacedParts, **changes: object) -> float:
        return probe(replace(SEED_ARCH, **changes))["replaced_parts"].value  # type: ignore[arg-type]

    probe = ReplacedParts(seed=prepared)
    assert probe(SEED_ARCH)["replaced_parts"].value == 0
    depth, width = reading(probe, depths=(1, 1, 2, 1)), reading(probe, embed_dims=(16, 32, 32, 32), num_heads=(1, 2, 2, 2))
    assert depth < 0
    assert width < 0
    both = replace(SEED_ARCH, depths=(1, 1, 2, 1), embed_dims=(16, 32, 32, 32), num_heads=(1, 2, 2, 2))
    found = probe(both)["replaced_parts"]
    assert found.value == pytest.approx(depth + width)
    assert found.flops == 0
    assert ReplacedParts(seed=prepared)(both)["replaced_parts"].flops > 0
