"""The figures: what they show, that they can be read, and that drawing leaves no trace."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from PIL import Image

from experiments.report.figure import DPI, SIZE_INCHES, draw_figures, figure_of, is_imagenet_1k, ticks
from models.zoo.published import published
from scaler.budget import Bound, Budget
from scaler.results.frontier import TRIALS, FrontierInfo
from scaler.units import format_quantity
from tests.experiments.report.fake_ledger import SEED, fake_info
from tests.scaler.results.records import changed

SVG = "{http://www.w3.org/2000/svg}"
IMAGENET = changed(SEED, data="torch/imagenet", arch='{"num_classes": 1000}', top1=80.0, flops=10**9, params=10**7)


def texts(path: Path) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter(f"{SVG}text")]


def legend(info: FrontierInfo, cost: str = "flops") -> list[str]:
    return [text.get_text() for text in figure_of(info, cost).legends[0].get_texts()]


@pytest.mark.slow
def test_the_files_open_and_name_the_models(tmp_path: Path) -> None:
    paths = draw_figures(fake_info(), tmp_path)
    names = ["frontier.png", "frontier.svg", "frontier_params.png", "frontier_params.svg"]
    assert [path.name for path in paths] == names == sorted(path.name for path in tmp_path.iterdir())
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert image.size == tuple(round(side * DPI) for side in SIZE_INCHES)
                assert len(image.convert("RGB").getcolors(2**24) or ()) > 20
        else:
            assert {"big_seed", "small-flops=5M", "small-flops=10M", "small-flops=20M"} <= set(texts(path))
    assert {"≤ 5M", "≤ 10M", "≤ 20M"} <= set(texts(tmp_path / "frontier.svg"))
    assert "≤ 5M" not in texts(tmp_path / "frontier_params.svg")


@pytest.mark.slow
def test_the_same_ledger_gives_the_same_files(tmp_path: Path) -> None:
    first, second = (draw_figures(fake_info(), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_drawing_changes_no_global_setting(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    draw_figures(fake_info(3), tmp_path)
    assert dict(matplotlib.rcParams) == before


def test_kinds_of_score_are_told_apart() -> None:
    entries = legend(fake_info(30))
    assert "30 trials of the search (holdout split, 3 epochs)" in entries
    assert "chosen, trained in full (test split, 60 epochs)" in entries
    assert "seed, trained in full (test split, 60 epochs)" in entries


def test_the_line_joins_the_front_of_the_trials_and_nothing_else() -> None:
    info = fake_info()
    (axes,) = figure_of(info, "flops").axes
    (line,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    front = info.front("flops", TRIALS)
    assert list(line.get_xdata()) == [record.flops for record in front]
    assert list(line.get_ydata()) == [record.top1 for record in front]


@pytest.mark.parametrize("cost", ["flops", "params"])
@pytest.mark.parametrize("trials", [3, 12, 60])
def test_names_overlap_neither_each_other_nor_the_frame(trials: int, cost: str) -> None:
    figure = figure_of(fake_info(trials), cost)
    (axes,) = figure.axes
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    for name in names:
        name.update_positions(figure.canvas.get_renderer())
    boxes = [Text.get_window_extent(name) for name in names]  # without the lines that tie some of them to their points
    frame = axes.get_window_extent()
    assert len(names) == 4
    assert all(Bbox.intersection(a, b) is None for a, b in combinations(boxes, 2))
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    (legends,) = figure.legends
    assert legends.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("trials", [1, 60])
def test_trials_alone_are_enough(tmp_path: Path, trials: int) -> None:
    draw_figures(fake_info(trials, finished=False), tmp_path)
    assert not [text for text in texts(tmp_path / "frontier.svg") if "trained in full" in text]


@pytest.mark.filterwarnings("error::UserWarning")
def test_pruned_trials_alone_are_enough(tmp_path: Path) -> None:
    draw_figures(FrontierInfo(records=(replace(SEED, role="pruned"),)), tmp_path)
    assert "Accuracy against FLOPs on digits" in texts(tmp_path / "frontier.svg")


def test_a_dollar_sign_is_drawn_as_it_is(tmp_path: Path) -> None:
    records = (replace(SEED, name="$y_$", data="folder:$x_$"), replace(SEED, role="chosen", name=r"\$z^$", data="folder:$x_$"))
    draw_figures(FrontierInfo(records=records), tmp_path)
    assert {"Accuracy against FLOPs on folder:$x_$", "$y_$", r"\$z^$"} <= set(texts(tmp_path / "frontier.svg"))


def test_trained_models_alone_are_enough(tmp_path: Path) -> None:
    draw_figures(FrontierInfo(records=(SEED,)), tmp_path)
    assert "big_seed" in texts(tmp_path / "frontier.svg")


def test_published_models_stand_beside_imagenet_scores_only() -> None:
    assert is_imagenet_1k(FrontierInfo(records=(IMAGENET,)))
    assert any("published" in entry for entry in legend(FrontierInfo(records=(IMAGENET,))))
    for other in (SEED, replace(IMAGENET, arch='{"num_classes": 10}'), replace(IMAGENET, data="digits")):
        assert not is_imagenet_1k(FrontierInfo(records=(other,)))
        assert not any("published" in entry for entry in legend(FrontierInfo(records=(other,))))


def test_the_axis_holds_every_published_model() -> None:
    (axes,) = figure_of(FrontierInfo(records=(IMAGENET,)), "params").axes
    low, high = axes.get_xlim()
    assert all(low < model.params < high for model in published())


def test_a_band_is_shaded_and_a_lower_bound_is_marked(tmp_path: Path) -> None:
    budgets = (Budget((("flops", Bound(8e6, 10e6)),), "a"), Budget((("flops", Bound(low=3e6)),), "b"))
    draw_figures(replace(fake_info(), budgets=budgets), tmp_path)
    assert {"8M to 10M", "≥ 3M"} <= set(texts(tmp_path / "frontier.svg"))


@pytest.mark.parametrize(("low", "high"), [(9.9e6, 10.1e6), (1.2e9, 1.3e9), (3e6, 4e7), (1e6, 1e9), (1e5, 1e11)])
def test_ticks_are_round_and_neither_too_few_nor_too_many(low: float, high: float) -> None:
    values = ticks(low, high)
    labels = [format_quantity(value) for value in values]
    assert 3 <= len(values) <= 10
    assert low <= values[0] < values[-1] <= high
    assert len(set(labels)) == len(labels)


def test_each_role_has_a_mark_and_a_line_in_the_legend() -> None:
    roles = ("chosen", "baseline", "variant", "seed")
    records = tuple(replace(SEED, role=role, flops=(i + 1) * 10**6) for i, role in enumerate(roles))
    figure = figure_of(FrontierInfo(records=records), "flops")
    drawn = [found for found in figure.axes[0].collections if isinstance(found, PathCollection)]
    marks = {(found.get_paths()[0].vertices.tobytes(), tuple(found.get_facecolor()[0])) for found in drawn}
    assert len(marks) == len(roles)
    for role in roles:
        assert any(entry.startswith(f"{role}, trained in full") for entry in legend(FrontierInfo(records=records)))
