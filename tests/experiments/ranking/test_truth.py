"""The table's file, and the networks that are drawn for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.ranking.nets import networks
from experiments.ranking.trainings import plan, shortened, to_train_longer
from experiments.ranking.truth import EQUAL, LONGER, RANGE, TRAININGS, Origin, Settings, Training, TruthTable
from experiments.recipes import RECIPES
from scaler.cost.architecture import cost_of
from scaler.errors import DamagedFileError, ScalerError

SETTINGS = Settings(data="digits", nets=8, repeats=2, longer_nets=3)


def origin(settings: Settings) -> Origin:
    return Origin(settings=settings, command="made here", versions={"torch": "2"}, machine="one")


def row(net: int = 0, repeat: int = 0, top1: float = 50.0) -> Training:
    return Training(
        group=EQUAL, net=net, repeat=repeat, epochs=1, arch={"depths": [1, 2]}, flops=10, params=5, resolution=24,
        train_loss=(1.0,), holdout_loss=(1.5,), holdout_top1=(40.0,), test_loss=1.25, test_top1=top1, seconds=0.5,
    )  # fmt: skip


def test_trainings_are_read_back_and_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    table = TruthTable(tmp_path)
    assert table.trainings() == []
    table.add(row(0))
    with (tmp_path / TRAININGS).open("a") as file:
        file.write('{"group": "equ')
    assert table.trainings() == [row(0)]
    table.add(row(1))
    assert table.trainings() == [row(0), row(1)]


def test_a_changed_training_is_found(tmp_path: Path) -> None:
    table = TruthTable(tmp_path)
    for net in range(3):
        table.add(row(net))
    path = tmp_path / TRAININGS
    path.write_text(path.read_text().replace('"net": 1', '"net": 7'))
    with pytest.raises(DamagedFileError, match="line 2 does not match its digest"):
        table.trainings()
    path.write_text("[]\n")
    with pytest.raises(DamagedFileError, match="line 1"):
        table.trainings()


def test_a_table_has_one_set_of_settings(tmp_path: Path) -> None:
    table = TruthTable(tmp_path)
    table.begin(origin(SETTINGS))
    table.begin(replace(origin(SETTINGS), machine="another"))
    assert table.settings == SETTINGS
    with pytest.raises(ScalerError, match="holds other settings"):
        table.begin(origin(replace(SETTINGS, epochs=9)))


def test_networks_lie_at_the_budget_and_over_the_whole_range() -> None:
    found = networks(SETTINGS, 10)
    assert found == networks(SETTINGS, 10)
    assert {name: len(archs) for name, archs in found.items()} == {EQUAL: 8, RANGE: 8}
    assert len(set(found[EQUAL])) == 8
    assert all(0.99 <= cost_of(arch).flops / SETTINGS.flops <= 1.01 for arch in found[EQUAL])
    flops = [cost_of(arch).flops for arch in found[RANGE]]
    assert flops == sorted(flops)
    assert flops[-1] > 10 * flops[0]
    assert len({arch.resolution for arch in found[EQUAL]}) == 3


def test_every_beginning_of_the_plan_has_networks_with_all_their_repeats() -> None:
    settings = replace(SETTINGS, nets=30)
    keys = list(plan(settings))
    assert keys[:21] == [*((EQUAL, net, 0) for net in range(20)), (EQUAL, 0, 1)]
    assert set(keys[:40]) == {(EQUAL, net, repeat) for net in range(20) for repeat in range(2)}
    assert len(set(keys)) == len(keys) == 2 * 30 * 2
    assert keys[60] == (RANGE, 0, 0)


def test_networks_over_the_whole_order_are_trained_longer() -> None:
    tops = [5.0, 1.0, 7.0, 3.0, 0.0, 6.0, 2.0, 4.0]
    rows = [row(net, repeat, top + 10 * repeat) for net, top in enumerate(tops) for repeat in range(2)]
    # Of the order 4, 1, 6, 3, 7, 0, 5, 2: its ends, and place 3.5, which is rounded to 4.
    assert to_train_longer(SETTINGS, rows) == [(LONGER, 4, 0), (LONGER, 7, 0), (LONGER, 2, 0)]


def test_a_short_recipe_warms_up_in_proportion() -> None:
    recipe = shortened(RECIPES["small"], 6)
    assert (recipe.epochs, recipe.warmup_epochs) == (6, 0.4)
    assert replace(recipe, epochs=30, warmup_epochs=2) == RECIPES["small"]
