"""The values behind the page's pictures: stages, costs by part, effects of axes, progress, points."""

import json
import random
from dataclasses import replace

import pytest

from experiments.report.build_page import build_page
from experiments.report.runs import Run
from experiments.report.search_pictures import effects_of, progress_of
from experiments.report.stages import parts_by_stage, stages_of
from models.zoo.seeds import SEEDS
from scaler.cost.architecture import cost_of
from scaler.results.frontier import FrontierInfo
from scaler.results.ledger import Record
from tests.experiments.report.fake_ledger import BUDGETS, SEED, fake_info, fake_run
from tests.scaler.results.records import changed


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("tiny_vit_1m_32", ((32, 2, 8, 1), (64, 2, 4, 1), (128, 3, 2, 1), (160, 1, 1, 1))),
        ("swin_tiny_patch4_window7_224", ((96, 2, 56, 1), (192, 2, 28, 1), (384, 6, 14, 1), (768, 2, 7, 1))),
        ("deit_base_patch16_224", ((768, 12, 14, 1),)),
        ("mini_deit_tiny_patch16_224", ((192, 12, 14, 2),)),
    ],
)
def test_stages_of_each_family(name: str, stages: object) -> None:
    assert stages_of(SEEDS[name].to_dict()) == stages


def test_an_architecture_without_widths_or_depths_has_no_stages() -> None:
    assert stages_of({"layers": [1, 2]}) == ()
    assert stages_of({"dims": None, "depths": [1]}) == ()


@pytest.mark.parametrize("name", ["tiny_vit_1m_32", "swin_tiny_patch4_window7_224", "deit_base_patch16_224"])
def test_parts_sum_to_the_whole(name: str) -> None:
    arch = SEEDS[name]
    flops, params = zip(*parts_by_stage(arch.family, arch.to_dict()).values(), strict=True)
    assert (sum(flops), sum(params)) == cost_of(arch)
    assert parts_by_stage("timm", {}) == {}


def trial(number: int, depth: int, flops: int, top1: float, **columns: object) -> Record:
    arch = json.dumps({"depths": [depth, 1], "num_classes": 10})
    return changed(SEED, role="trial", trial=number, arch=arch, flops=flops, top1=top1, **columns)


def searched(records: list[Record]) -> Run:
    return fake_run(FrontierInfo(records=tuple(records), budgets=BUDGETS), request={"axes": {"depths": [[1, 3]]}})


def test_an_effect_is_the_slope_at_equal_flops_and_its_interval_holds_it() -> None:
    rng = random.Random(0)
    rows = []
    for i in range(40):
        depth, flops = rng.choice((1, 2, 3)), 10 ** rng.randint(6, 7) + rng.randint(0, 10**5)
        rows.append(trial(i, depth, flops, round(40 + 6 * (depth - 1) + 1e-6 * flops + rng.gauss(0, 1), 3)))
    (effect,) = effects_of(searched(rows))
    assert (effect.axis, effect.least, effect.greatest) == ("depths[0]", "1", "3")
    assert effect.low < 12 < effect.high, "6 points for each of two steps"
    assert effect.high - effect.low < 3


def test_few_trials_or_an_axis_that_only_flops_tell_apart_have_no_effect() -> None:
    assert effects_of(searched([trial(i, 1 + i % 2, 10**6 + i, 50.0 + i) for i in range(7)])) == ()
    assert effects_of(searched([trial(i, 1 + i % 2, 10 ** (6 + i % 2), 50.0 + i) for i in range(20)])) == ()


def test_progress_is_the_best_so_far_of_what_meets_the_budget() -> None:
    rows = [
        trial(0, 1, 4_000_000, 60.0, origin="uniform scaling", train_flops=10),
        trial(1, 1, 9_000_000, 90.0, origin="surrogate", train_flops=20),
        trial(2, 1, 4_000_000, 70.0, origin="random", train_flops=10),
        trial(3, 1, 4_000_000, 65.0, origin="surrogate", train_flops=10),
    ]
    first, second, _ = progress_of(searched(rows))
    assert (first.budget, first.is_flops, first.spent) == ("flops=5M", True, (10, 30, 40, 50))
    assert first.best == (60.0, 60.0, 70.0, 70.0)
    assert first.random == (None, None, 70.0, 70.0)
    assert first.uniform == 60.0
    assert second.best == (60.0, 90.0, 90.0, 90.0)
    (untold,) = progress_of(searched([changed(rows[1], train_flops=0, flops=15_000_000)]))
    assert (untold.budget, untold.is_flops, untold.spent, untold.uniform) == ("flops=20M", False, (1.0,), None)


def test_every_record_that_was_scored_is_a_point_of_one_view() -> None:
    info = fake_info()
    scaled = changed(info.records[0], origin="uniform scaling", top1=1.0)
    drawn = changed(info.records[1], origin="random", top1=0.5)
    stopped = changed(info.records[2], role="pruned", top1=0.1)
    info = replace(info, records=(*info.records, scaled, drawn, stopped))
    found = build_page(info, [fake_run(info)]).pictures
    views = [found.series[point.series] for point in found.points]
    assert sum(series.view == "trained" for series in views) == 4
    assert sum(series.view == "trials" for series in views) == 33
    labels = {"uniform scaling", "random draws", "stopped early", "candidates that lost"}
    assert labels <= {series.label for series in found.series}
    assert {series.label for series in found.series if series.is_lost} == {"stopped early", "candidates that lost"}


def test_each_of_several_searches_has_its_own_family() -> None:
    infos = [fake_info(seed=seed) for seed in (0, 1)]
    runs = [fake_run(replace(info, records=info.of(("trial", "chosen"))), name=f"s{i}/run") for i, info in enumerate(infos)]
    both = FrontierInfo(records=tuple(record for run in runs for record in run.records), budgets=BUDGETS)
    series = build_page(both, runs).pictures.series
    families = [one for one in series if one.label.startswith("chosen by the search")]
    assert len(families) == 2
    assert len({one.colour for one in families}) == 2
