"""Latency as a sum over parts: prices are found again from what they made, and networks left out tell how far they are off."""

from pathlib import Path

import numpy as np
import pytest

from models.zoo.seeds import SEEDS
from scaler.budget import Budget
from scaler.cost.architecture import parts_of
from scaler.cost.latency import LatencyModel, fit_latency_model, load_latency_model, save_latency_model
from scaler.space.feasible_set import FeasibleSet
from scaler.space.segment_tables import segment_tables
from search_spaces import open_space

SPACE = open_space("tiny_vit_1m_32")
ARCHS = FeasibleSet(SPACE, Budget()).sample(60, np.random.default_rng(0))
KINDS = {part.kind for part in parts_of(SEEDS["tiny_vit_1m_32"])}
TRUE = LatencyModel({kind: (1000.0 + 100 * i, 0.05 * (i + 1), 0.1 * i) for i, kind in enumerate(sorted(KINDS))}, 0, 0, "made up")


def test_prices_that_made_the_times_predict_them() -> None:
    found = fit_latency_model(ARCHS, [TRUE.predict(arch) for arch in ARCHS], "here")
    assert found.networks == 60
    assert found.error < 1e-3
    assert found.predict(SEEDS["tiny_vit_1m_32"]) == pytest.approx(TRUE.predict(SEEDS["tiny_vit_1m_32"]), rel=1e-3)


def test_the_error_is_of_networks_that_were_left_out() -> None:
    noise = np.exp(np.random.default_rng(1).normal(0, 0.2, len(ARCHS)))
    found = fit_latency_model(
        ARCHS, [TRUE.predict(arch) * float(factor) for arch, factor in zip(ARCHS, noise, strict=True)], "here"
    )
    assert 0.08 < found.error < 0.3  # half of all normal deviations are above 0.67 x 0.2
    assert all(price >= 0 for prices in found.prices.values() for price in prices)


def test_few_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="9 networks: prices are learned from 10 or more"):
        fit_latency_model(ARCHS[:9], [1.0] * 9, "here")


@pytest.mark.parametrize("name", ["tiny_vit_1m_32", "mini_deit_1m_patch4_32", "swin_1m_patch2_32"])
def test_every_part_that_takes_time_has_a_kind(name: str) -> None:
    assert all(part.kind for part in parts_of(SEEDS[name]))


def test_tables_add_up_to_what_is_predicted() -> None:
    from dataclasses import replace

    space = replace(SPACE, latency=TRUE)
    point = tuple(len(choices) - 1 for choices in space.variables.values())
    total = sum(int(table.flops[-1]) for table in segment_tables(space, ("latency", "params")))
    assert total == space.quantities(space.arch(point))["latency"]


def test_what_was_learned_is_remembered_for_the_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_latency_model(SPACE.latency_key) is None
    save_latency_model(SPACE.latency_key, TRUE)
    assert load_latency_model(SPACE.latency_key) == TRUE
    assert load_latency_model(open_space("tiny_vit_1m_32", num_classes=7).latency_key) == TRUE
    assert load_latency_model(open_space("deit_1m_patch4_32").latency_key) is None
